import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { openDatabase } from './database.ts';
import type { Connection } from './driver.ts';
import { createGroup, failure, type Group } from './group.ts';
import type { Message, Request, WorkerSetup } from './messages.ts';

const { driver, file, busyTimeoutMs } = workerData as WorkerSetup;

serve(parentPort!);

function serve(port: MessagePort): void {
  let open: { readonly connection: Connection; readonly group: Group } | undefined;

  function opened(): Group {
    if (open === undefined) {
      const connection = openDatabase(driver, file, busyTimeoutMs);
      open = { connection, group: createGroup(connection, file) };
    }
    return open.group;
  }

  function run(requests: readonly Request[]): void {
    let group: Group;
    try {
      group = opened();
    } catch (error) {
      // The next group tries again: what was in the way may have gone.
      port.postMessage(requests.map((request) => failure(request, error, file)));
      return;
    }
    port.postMessage(group(requests));
  }

  port.on('message', (first: Message) => {
    const requests: Request[] = [];
    // Whatever arrived while the last group was on its way to the disk makes the next one.
    let message: Message | undefined = first;
    while (message !== undefined && message !== 'close') {
      requests.push(message);
      message = (receiveMessageOnPort(port) as { readonly message: Message } | undefined)?.message;
    }
    if (requests.length > 0) run(requests);
    if (message === 'close') {
      open?.connection.close();
      port.close();
    }
  });

  try {
    opened();
  } catch {
    // Told to whoever calls first.
  }
}
