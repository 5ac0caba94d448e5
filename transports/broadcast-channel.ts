import type { TabTransport } from '../src/ports/tabs.ts';

export interface BroadcastChannelOptions {
  /** Channels are named `prefix/name`. Default: `cotable`. Give it the same prefix as `indexedDb`. */
  readonly prefix?: string;
}

/**
 * Tabs of one browser and origin, over its BroadcastChannel: what one writes the others show at once, with the relay or
 * without. Listed among the `transports` of a store, beside the one that leads to the relay; alone, the tabs are all there
 * is and this device is the authority. Throws `TypeError` on the first use where the browser has no BroadcastChannel.
 */
export function broadcastChannel(options: BroadcastChannelOptions = {}): TabTransport {
  const { prefix = 'cotable' } = options;
  return {
    join(name, heard) {
      const channel = new BroadcastChannel(`${prefix}/${name}`);
      channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => heard(data));
      // In Node an open channel keeps the process alive; a store must not.
      if ('unref' in channel && typeof channel.unref === 'function') channel.unref();
      let isClosed = false;
      return {
        send(message) {
          if (!isClosed) channel.postMessage(message);
        },
        close() {
          isClosed = true;
          channel.close();
        },
      };
    },
  };
}
