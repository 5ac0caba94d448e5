import type { FlowItem, FlowMilestone, FlowPiece } from './events.ts';

/**
 * Items with an event taken in: what is known already changes nothing, and an attempt begins without what another has said. The
 * list stays the same where nothing in it changes.
 */
export function heard(items: readonly FlowItem[], event: FlowPiece | FlowMilestone): readonly FlowItem[] {
  if ('item' in event) {
    const { item } = event;
    return items.some(({ id }) => id === item.id) ? items.map((known) => (known.id === item.id ? item : known)) : [...items, item];
  }
  if (event.type === 'request.in_progress') {
    const others = items.filter(({ requestId }) => requestId !== event.request.id);
    return others.length < items.length ? others : items;
  }
  if (event.type !== 'content.delta') return items;
  return items.map((item) => {
    if (item.id !== event.itemId) return item;
    const known = item.text.length - event.offset;
    return known >= 0 && known < event.delta.length ? { ...item, text: item.text + event.delta.slice(known) } : item;
  });
}
