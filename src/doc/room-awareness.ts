import { Awareness, removeAwarenessStates } from 'y-protocols/awareness';
import * as Y from 'yjs';

/**
 * The ephemeral states of a room: a y-protocols Awareness, whose entries are owned by the relay. Nobody has to renew
 * them: they go when what they stand for ends, so the protocol's own timer is stopped.
 */
export interface RoomAwareness<State extends object> {
  get(owner: number): State | undefined;
  set(owner: number, state: State): void;
  delete(owner: number): void;
  states(): readonly State[];
}

export function createRoomAwareness<State extends object>(): RoomAwareness<State> {
  const awareness = new Awareness(new Y.Doc());
  clearInterval(awareness._checkInterval as number);
  awareness.setLocalState(null);
  const states = awareness.states as Map<number, State>;
  return {
    get: (owner) => states.get(owner),
    set(owner, state) {
      const clock = (awareness.meta.get(owner)?.clock ?? 0) + 1;
      awareness.meta.set(owner, { clock, lastUpdated: 0 });
      states.set(owner, state);
    },
    delete(owner) {
      removeAwarenessStates(awareness, [owner], 'ended');
      awareness.meta.delete(owner);
    },
    states: () => [...states.values()],
  };
}
