import type { Link, Transport } from 'cotable';
import type { NetworkSwitch } from './network-switch.ts';

/** A transport behind a switch: while it is off no link can be opened, and turning it off closes those that are. */
export function switchable(transport: Transport, network: NetworkSwitch): Transport {
  const links = new Set<Link>();
  network.subscribe(() => {
    if (!network.isOn) for (const link of [...links]) link.close();
  });

  return {
    connect(events) {
      if (!network.isOn) {
        // A link tells nothing before `connect` has returned.
        queueMicrotask(() => events.closed());
        return NO_LINK;
      }
      const link = transport.connect({
        ...events,
        closed(reason) {
          links.delete(link);
          events.closed(reason);
        },
      });
      links.add(link);
      return link;
    },

    available(listener) {
      let isReachable = true;
      const tell = (): void => listener(network.isOn && isReachable);
      const stopTransport = transport.available?.((reachable) => {
        isReachable = reachable;
        tell();
      });
      if (!transport.available) tell();
      const stopSwitch = network.subscribe(tell);
      return () => {
        stopTransport?.();
        stopSwitch();
      };
    },
  };
}

/** Stands for a link that never was. */
const NO_LINK: Link = { buffered: 0, send: () => undefined, close: () => undefined };
