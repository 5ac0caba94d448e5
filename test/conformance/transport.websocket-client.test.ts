import { CotableError } from 'cotable';
import { webSocket } from 'cotable/transports/websocket';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { connectRecorded } from './link-recorder.ts';

/** A WebSocket that does what the test says, as browsers do: it may speak after `close`. */
class ScriptedSocket extends EventTarget {
  static readonly made: ScriptedSocket[] = [];
  readonly url: string;
  binaryType = 'blob';
  bufferedAmount = 0;
  readonly sent: Uint8Array[] = [];
  readonly closes: unknown[][] = [];

  constructor(url: string) {
    super();
    this.url = url;
    ScriptedSocket.made.push(this);
  }

  send(message: Uint8Array): void {
    this.sent.push(message);
  }

  close(...how: unknown[]): void {
    this.closes.push(how);
  }

  says(type: string, fields: Record<string, unknown> = {}): void {
    this.dispatchEvent(Object.assign(new Event(type), fields));
  }
}

describe('the websocket client', () => {
  afterEach(() => {
    ScriptedSocket.made.length = 0;
    vi.unstubAllGlobals();
  });

  const connect = async (url: Parameters<typeof webSocket>[0] = 'wss://relay.example/sync') => {
    const index = ScriptedSocket.made.length;
    const near = connectRecorded(webSocket(url, { WebSocket: ScriptedSocket }));
    const socket = await vi.waitFor(() => {
      const made = ScriptedSocket.made[index];
      if (!made) throw new Error('not made yet');
      return made;
    });
    return { ...near, socket };
  };

  test('[WC1] after close, what the old socket still says is ignored', async () => {
    const { link, record, socket } = await connect();
    socket.says('open');
    link.close(new CotableError('protocol.timeout', { ms: 1 }));
    socket.says('message', { data: Uint8Array.of(1).buffer });
    socket.says('open');
    socket.says('error');
    socket.says('close', { code: 4000, reason: 'auth.required' });
    expect(record.calls).toEqual(['opened', 'closed']);
    expect(socket.closes).toEqual([[4000, 'protocol.timeout']]);
  });

  test('[WC1] a link closed while its socket connects closes the socket and never opens', async () => {
    const { link, record, socket } = await connect();
    link.close();
    socket.says('open');
    socket.says('close', { code: 1006, reason: '' });
    expect(record.calls).toEqual(['closed']);
    expect(socket.closes).toEqual([[1000]]);
  });

  test('[WC1] a link closed before its address is known makes no socket', async () => {
    const address = deferred<string>();
    const near = connectRecorded(webSocket(() => address.promise, { WebSocket: ScriptedSocket }));
    near.link.close();
    address.resolve('ws://relay.example');
    await address.promise;
    await Promise.resolve();
    expect(near.record.calls).toEqual(['closed']);
    expect(ScriptedSocket.made).toEqual([]);
  });

  test('[WC2] buffered is what the socket has not sent', async () => {
    const { link, socket } = await connect();
    socket.says('open');
    socket.bufferedAmount = 42;
    expect(link.buffered).toBe(42);
  });

  test('[WC3] a function is asked for the address of each link', async () => {
    let asked = 0;
    const transport = webSocket(async () => `ws://relay.example/${++asked}`, { WebSocket: ScriptedSocket });
    connectRecorded(transport);
    connectRecorded(transport);
    await vi.waitFor(() => expect(ScriptedSocket.made.map(({ url }) => url)).toEqual(['ws://relay.example/1', 'ws://relay.example/2']));
  });

  test.each([
    ['throws', () => Promise.reject(new Error('no network')), undefined],
    ['refuses with a code', () => Promise.reject(new CotableError('auth.required', {})), 'auth.required'],
    ['gives what is no address', () => 'no address', undefined],
    [
      'throws at once',
      (): string => {
        throw new CotableError('auth.required', {});
      },
      'auth.required',
    ],
  ])('[WC3] when that function %s, the link is closed', async (_, url, code) => {
    const near = connectRecorded(webSocket(url, { WebSocket: ScriptedSocket }));
    expect(near.record.calls).toEqual([]);
    await near.record.isClosed;
    expect(near.record.calls).toEqual(['closed']);
    expect(near.record.reasons[0]?.code).toBe(code);
  });

  test('[WC3] an address that the constructor refuses is closed, not a throw', async () => {
    class Refusing extends ScriptedSocket {
      constructor(url: string) {
        super(url);
        throw new SyntaxError('insecure');
      }
    }
    const near = connectRecorded(webSocket('ws://relay.example', { WebSocket: Refusing }));
    await near.record.isClosed;
    expect(near.record.calls).toEqual(['closed']);
  });

  test('[WC4] an address may be relative to the page and begin with http', async () => {
    vi.stubGlobal('location', { href: 'https://app.example/rooms/1' });
    const urls: string[] = [];
    for (const url of ['/sync', 'http://relay.example/sync', 'https://relay.example/http']) urls.push((await connect(url)).socket.url);
    expect(urls).toEqual(['wss://app.example/sync', 'ws://relay.example/sync', 'wss://relay.example/http']);
  });

  test('[WC5] what cannot work is a TypeError at once: an address that is none, no WebSocket at all', () => {
    expect(() => webSocket('no address', { WebSocket: ScriptedSocket })).toThrow(TypeError);
    vi.stubGlobal('WebSocket', undefined);
    expect(() => webSocket('ws://relay.example')).toThrow(/from the package 'ws'/);
  });

  test('[WC6] available follows what the browser says, each change once', () => {
    const page = new EventTarget();
    const navigator = { onLine: false };
    vi.stubGlobal('navigator', navigator);
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    const answers: boolean[] = [];
    const stop = webSocket('ws://relay.example', { WebSocket: ScriptedSocket }).available?.((available) => answers.push(available));
    const become = (onLine: boolean): void => {
      navigator.onLine = onLine;
      page.dispatchEvent(new Event(onLine ? 'online' : 'offline'));
    };
    become(true);
    become(true);
    become(false);
    expect(answers).toEqual([false, true, false]);
    stop?.();
    become(true);
    expect(answers).toEqual([false, true, false]);
  });
});

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
