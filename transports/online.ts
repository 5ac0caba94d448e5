/** What `available` of a transport over the network says: `false` is sure, `true` only means that there is some network. */
export function watchOnline(listener: (available: boolean) => void): () => void {
  let known = isOnline();
  listener(known);
  if (typeof globalThis.addEventListener !== 'function') return () => undefined;
  const changed = (): void => {
    if (known === isOnline()) return;
    known = !known;
    listener(known);
  };
  for (const type of ['online', 'offline']) globalThis.addEventListener(type, changed);
  return () => {
    for (const type of ['online', 'offline']) globalThis.removeEventListener(type, changed);
  };
}

function isOnline(): boolean {
  return globalThis.navigator?.onLine !== false;
}
