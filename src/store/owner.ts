import type { OutboxCall } from './replica.ts';
import type { StoredDevice } from './stored.ts';

/** What a device calls itself where nobody has said whose it is. */
export function deviceNameOf({ deviceId }: StoredDevice): string {
  return `device-${deviceId}`;
}

/** What a device made before anybody said whose it is, is that user's. */
export function ownedBy<M extends OutboxCall>(device: StoredDevice, mutation: M): M {
  const { userId } = device;
  return userId !== undefined && mutation.userId === deviceNameOf(device) ? { ...mutation, userId } : mutation;
}
