import { http } from 'cotable/transports/http';
import { httpAcceptor } from '#http-acceptor';
import { inject } from 'vitest';
import { realClock } from '../conformance/real-clock.ts';
import { transportSuite } from '../conformance/transport.suite.ts';

// Both sides in one page, on the browser's own requests, responses and streams; the network between them is left out.
transportSuite('http in a page', () => {
  const acceptor = httpAcceptor({ clock: realClock });
  const wires = new Set<AbortController>();
  const carry = async (url: string, init: RequestInit): Promise<Response> => {
    const wire = new AbortController();
    wires.add(wire);
    init.signal?.addEventListener('abort', () => wire.abort());
    if (init.signal?.aborted) wire.abort();
    const { signal } = wire;
    const response = await acceptor.fetch(new Request(url, { ...init, signal }), { ip: '127.0.0.1', cut: () => wire.abort() });
    signal.throwIfAborted();
    return response.body ? new Response(response.body.pipeThrough(new TransformStream(), { signal }), response) : response;
  };
  return {
    transport: http('http://relay.example', { fetch: carry }),
    acceptor,
    unreachable: http(inject('httpSilentUrl')),
    sever() {
      for (const wire of wires) wire.abort();
    },
    close() {
      acceptor.stop();
      for (const wire of wires) wire.abort();
    },
  };
});
