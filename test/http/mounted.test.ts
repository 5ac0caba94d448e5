import { execFile, spawn, spawnSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { getRequestListener, serve as serveHono } from '@hono/node-server';
import { http } from 'cotable/transports/http';
import { webSocket } from 'cotable/transports/websocket';
import type { BackendConfig } from 'cotable/relay';
import express from 'express';
import { Hono } from 'hono';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { collect, kept, when, type S } from '../spec/support.ts';
import { backend, openStore, plainProxy, serve, startRelay } from './scene.ts';

const hasCurl = spawnSync('curl', ['--version']).status === 0;

describe('a relay in a server that is there already', () => {
  test('[HR6] takes WebSockets of its path and requests under it, beside an app and other WebSockets', async () => {
    const relay = startRelay();
    const { server, host } = await serve((request, response) => {
      if (request.url?.startsWith('/sync/')) {
        request.url = request.url.slice('/sync'.length);
        relay.handle(request, response);
      } else response.end(`the app at ${request.url}`);
    });
    // Whoever looks after other paths comes first, and second.
    const others = ['/chat', '/hot'].map((path) => {
      const sockets = new WebSocketServer({ noServer: true });
      sockets.on('connection', (socket) => socket.send(path));
      return { path, sockets };
    });
    const route = (index: number): void => {
      const { path, sockets } = others[index] ?? others[0]!;
      server.on('upgrade', (request, socket, head) => {
        if (request.url === path) sockets.handleUpgrade(request, socket, head, (ws) => sockets.emit('connection', ws, request));
      });
    };
    route(0);
    const detach = relay.attach(server, { path: '/sync' });
    route(1);

    const store = openStore([webSocket(`ws://${host}/sync`, { WebSocket })], 'alice');
    const plain = openStore([http(`http://${host}/sync`)], 'bob');
    await kept(store.mutate.note({ id: 'a', title: 'A' }));
    await when(plain.table('notes').row$('a'), ({ row }) => row !== undefined);
    const hear = (path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://${host}${path}`);
        socket.on('message', (data) => {
          resolve(String(data));
          socket.close();
        });
        socket.on('error', reject);
      });
    expect([await hear('/chat'), await hear('/hot')]).toEqual(['/chat', '/hot']);
    expect(await (await fetch(`http://${host}/page`)).text()).toBe('the app at /page');
    expect(await (await fetch(`http://${host}/sync/healthz`)).json()).toMatchObject({ status: 'ok', links: 2 });

    // Links that are open stay; others are not this relay's any more.
    detach();
    await kept(store.mutate.note({ id: 'b', title: 'B' }));
    expect([await hear('/chat'), await hear('/hot')]).toEqual(['/chat', '/hot']);
  });

  test('[HR6] is mounted in a Hono app', async () => {
    const relay = startRelay();
    const app = new Hono().get('/page', (context) => context.text('the app')).mount('/sync', (request) => relay.fetch(request));
    let port = 0;
    const server = serveHono(
      { fetch: app.fetch, port: 0, hostname: '127.0.0.1', overrideGlobalObjects: false },
      (info) => (port = info.port),
    );
    onTestFinished(() => void server.close());
    await vi.waitUntil(() => port > 0);
    relay.attach(server as never, { path: '/sync' });
    const stores = [
      openStore([webSocket(`ws://127.0.0.1:${port}/sync`, { WebSocket })], 'alice'),
      openStore([http(`http://127.0.0.1:${port}/sync`)], 'bob'),
    ];
    for (const [index, store] of stores.entries()) await kept(store.mutate.note({ id: `n${index}`, title: 'N' }));
    expect(await (await fetch(`http://127.0.0.1:${port}/page`)).text()).toBe('the app');
    expect(await (await fetch(`http://127.0.0.1:${port}/sync/nothing`)).json()).toMatchObject({ errorCode: 'request.notFound' });
    await Promise.all(stores.map((store) => store.close()));
  });

  test('[HR6] is mounted in an Express app, before what reads bodies', async () => {
    const relay = startRelay();
    const app = express();
    app.use('/sync', relay.handle);
    app.use(express.json());
    app.post('/page', ({ body }, response) => void response.json({ app: body as unknown }));
    const { server, host } = await serve(app);
    relay.attach(server, { path: '/sync' });
    const stores = [openStore([webSocket(`ws://${host}/sync`, { WebSocket })], 'alice'), openStore([http(`http://${host}/sync`)], 'bob')];
    for (const [index, store] of stores.entries()) await kept(store.mutate.note({ id: `n${index}`, title: 'N' }));
    expect(await stores[1]?.action.answer({ id: 'n1' })).toEqual({ text: '' });
    const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' };
    expect(await (await fetch(`http://${host}/page`, json)).json()).toEqual({ app: { a: 1 } });
    expect(await (await fetch(`http://${host}/sync/openapi.json`)).json()).toMatchObject({ openapi: '3.1.0' });
    expect(await (await fetch(`http://${host}/sync/nothing`)).json()).toMatchObject({ errorCode: 'request.notFound' });
    await Promise.all(stores.map((store) => store.close()));
  });

  test('[HR6] says where a request comes from to authenticate', async () => {
    const seen: string[] = [];
    const authenticate: BackendConfig<S>['authenticate'] = ({ ip, headers }) => {
      seen.push(`${ip} ${headers['user-agent']}`);
      return { userId: 'alice' };
    };
    const relay = startRelay({ backend: { ...backend, authenticate } });
    const { host } = await serve(
      getRequestListener((request) => relay.fetch(request, { ip: '203.0.113.7' }), { overrideGlobalObjects: false }),
    );
    const { url, port } = await relay.listen();
    const ways = [http(`http://${host}`), http(`http://127.0.0.1:${port}`), webSocket(url, { WebSocket })];
    for (const way of ways) await openStore([way], 'alice').synced;
    expect(seen.map((line) => line.split(' ')[0])).toEqual(['203.0.113.7', '127.0.0.1', '127.0.0.1']);
    expect(seen[0]).toContain('node');
  });
});

describe('where WebSockets are blocked', () => {
  test('[HR7] a store with both ways takes HTTP, and everything works over it', async () => {
    const relay = startRelay();
    const { url, port } = await relay.listen();
    const proxy = await plainProxy(`127.0.0.1:${port}`);
    const behind = openStore([webSocket(`ws://${proxy.host}`, { WebSocket }), http(`http://${proxy.host}`)], 'alice');
    const { confirmed } = await behind.mutate.note({ id: 'a', title: 'A' });
    const outside = openStore([webSocket(url, { WebSocket })], 'bob');
    await confirmed;
    expect(proxy.upgrades()).toBeGreaterThan(0);
    expect(behind.status.state).toBe('online');
    await when(outside.table('notes').row$('a'), ({ row }) => row !== undefined);
    await kept(outside.mutate.note({ id: 'b', title: 'B' }));
    await when(behind.table('notes').row$('b'), ({ row }) => row !== undefined);
    expect(await behind.action.answer({ id: 'a' })).toEqual({ text: '' });
  });

  test('[HR7] a large room, and what is written to it at once, go both ways', async () => {
    const relay = startRelay();
    const { port } = await relay.listen();
    const url = `http://127.0.0.1:${port}`;
    const writer = openStore([http(url)], 'alice');
    await writer.synced;
    const body = 'žluťoučký kůň\r\n'.repeat(400);
    const receipts = await Promise.all(
      Array.from({ length: 300 }, (_, index) => writer.mutate.note({ id: `n${index}`, title: 'N', body })),
    );
    await Promise.all(receipts.map(({ confirmed }) => confirmed));
    const reader = openStore([http(url)], 'bob');
    await reader.synced;
    expect(reader.table('notes').list()).toEqual(writer.table('notes').list());
    expect(reader.table('notes').count()).toBe(300);
  });

  test('[HR8] a relay that closes says so over HTTP too, and stores come back to the next one', async () => {
    const first = startRelay();
    const { port } = await first.listen();
    const store = openStore([http(`http://127.0.0.1:${port}`)], 'alice');
    await store.synced;
    const states = collect(store.status$);
    await first.close();
    await vi.waitFor(() => expect(states.map(({ reason }) => reason?.code)).toContain('relay.closed'));
    await startRelay().listen(port);
    await kept(store.mutate.note({ id: 'a', title: 'A' }));
  });

  test('[HR9] links over HTTP are no strangers once they are greeted: a flood of silent connections leaves them be', async () => {
    const relay = startRelay({ limits: { strangersPerAddress: 3 } });
    const { port } = await relay.listen();
    const store = openStore([http(`http://127.0.0.1:${port}`)], 'alice');
    await store.synced;
    const states = collect(store.status$);
    const flood: Socket[] = [];
    onTestFinished(() => flood.forEach((socket) => socket.destroy()));
    for (let count = 0; count < 10; count++) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      flood.push(socket);
      await new Promise<void>((resolve) => socket.once('connect', resolve));
    }
    await vi.waitFor(() => expect(flood.filter(({ closed }) => closed).length).toBe(7));
    await kept(store.mutate.note({ id: 'a', title: 'A' }));
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['online']));
  });

  test('[HR9] those that say nothing are closed', async () => {
    const relay = startRelay({ limits: { helloMs: 200 } });
    const { port } = await relay.listen();
    const response = await fetch(`http://127.0.0.1:${port}/link`);
    expect(await response.text()).toMatch(/^event: open\n.*event: close\ndata: protocol\.timeout\n\n$/s);
  });

  test.skipIf(!hasCurl)('[HR10] curl can read what a link brings', async () => {
    const relay = startRelay();
    const { port } = await relay.listen();
    const curl = spawn('curl', ['--silent', '--no-buffer', '--include', `http://127.0.0.1:${port}/link`]);
    onTestFinished(() => void curl.kill());
    let output = '';
    curl.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await vi.waitFor(() => expect(output).toMatch(/event: open\r?\ndata: [\da-f-]{36}\n\n/));
    expect(output).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(output).toMatch(/x-accel-buffering: no/i);
    const args = ['--silent', '--fail-with-body', '--header', 'x-request-id: mine', '--include', `http://127.0.0.1:${port}/openapi.json`];
    const { stdout } = await promisify(execFile)('curl', args);
    expect(stdout).toMatch(/x-request-id: mine/i);
    expect(JSON.parse(stdout.slice(stdout.indexOf('\r\n\r\n')))).toMatchObject({ openapi: '3.1.0' });
  });
});
