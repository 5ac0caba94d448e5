import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** One request, and what the model does with it. */
export interface Turn {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: { readonly model: string; readonly stream: boolean; readonly messages: readonly { role: string; content: string }[] };
  /** Says a piece, in two halves of bytes. */
  say(piece: string): void;
  finish(): void;
  refuse(status: number, message: string): void;
  /** Goes away without a word. */
  drop(): void;
}

/** A server that speaks OpenAI's streaming chat completions on a port of its own; `answer` is called for each request. */
export async function startModel(answer: (turn: Turn) => void | Promise<void>): Promise<{ readonly url: string }> {
  const server = createServer((request, response) => void toTurn(request, response).then(answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

async function toTurn(request: IncomingMessage, response: ServerResponse): Promise<Turn> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const send = (data: unknown): void => {
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
    const bytes = Buffer.from(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
    const middle = bytes.length >> 1;
    response.write(bytes.subarray(0, middle));
    response.write(bytes.subarray(middle));
  };
  return {
    path: request.url ?? '',
    authorization: request.headers.authorization,
    body: JSON.parse(Buffer.concat(chunks).toString()) as Turn['body'],
    say: (content) => send({ choices: [{ index: 0, delta: { content }, finish_reason: null }] }),
    finish() {
      send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
      send('[DONE]');
      response.end();
    },
    refuse(status, message) {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message, type: 'invalid_request_error' } }));
    },
    drop: () => void response.destroy(),
  };
}
