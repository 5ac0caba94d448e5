import type { Conversation } from './conversation.ts';
import type { Core } from './core.ts';
import type { Asked } from './waiting-calls.ts';

/** So many that were sent are left in a queue before it is cut. */
const CUT_AFTER = 1000;

/** Sends of a link's queue what may be sent and the link has room for, in order, each once. */
export function sendQueue(core: Core, conversation: Conversation): void {
  const { link, queue } = conversation;
  if (!queue) return;
  // What has to run again first is not sent as it is.
  while (link.hasRoom && !core.mustRebuild) {
    const item = queue[conversation.sent];
    if (!item) break;
    if ('take' in item) {
      if (isBehind(core, item)) break;
      conversation.sent += 1;
      const frame = item.take();
      if (frame) link.send(frame);
      continue;
    }
    if (core.disk.isUnstored(item.id) || core.foreign.isWaiting(item)) break;
    // Made while nobody knew yet whose this device is: it runs again as that user's.
    if (item.userId !== conversation.welcome?.userId) return core.stale();
    conversation.sent += 1;
    core.replica.sends(item.id);
    conversation.sentIds.add(item.id);
    const { lineage, epoch } = core.replica.birth;
    const { writer, number, key, clock, name, intents, updates } = item;
    link.send({ type: 'mutate', lineage, epoch, writer, number, key, clock, name, intents, updates });
  }
  if (conversation.sent < CUT_AFTER && conversation.sent < queue.length) return;
  queue.splice(0, conversation.sent);
  conversation.sent = 0;
}

/** Whether another tab has to send something first. What this tab has to is before it in the queue. */
function isBehind({ replica }: Core, { place }: Asked): boolean {
  for (const mutation of replica.foreign.values()) if (mutation.place <= place) return true;
  return false;
}
