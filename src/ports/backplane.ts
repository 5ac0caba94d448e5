/**
 * How relays tell each other what is not kept anywhere: events, and what streams say. It may lose messages, whole ones; the
 * truth is in the storage. Who made it closes it.
 */
export interface Backplane {
  /**
   * Tells everybody who has subscribed to a channel, this relay too. Never waits and never throws. The bytes may not be changed
   * afterwards. What one relay publishes on one channel arrives in that order.
   */
  publish(channel: string, bytes: Uint8Array): void;
  /**
   * Calls `heard` with each message of a channel, never within `publish`. What was published before it may be missed. The
   * function returned ends that: nothing is heard afterwards.
   */
  subscribe(channel: string, heard: (bytes: Uint8Array) => void): () => void;
}
