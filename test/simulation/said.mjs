// What attempts say, to whom: a function of the run's id and the attempt's number.

/** Users of the simulator's devices. */
export const USERS = ['user of device1', 'user of device2', 'user of device3'];

/** Throws that begin with these words. */
export function diceOf(...words) {
  let state = 0x811c9dc5;
  for (const letter of words.join('\n')) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The pieces of an attempt, in order. `audience`: the room, who asked, a session of theirs, or the user of that number. */
export function piecesOf(run, attempt) {
  const random = diceOf('pieces', run, attempt);
  const count = random() < 0.2 ? 0 : Math.floor(random() * 10);
  const audiences = random() < 0.5 ? ['r'] : ['r', 'r', 'r', 'u', 'A', 'B', 'C', 's'];
  return Array.from({ length: count }, (_, index) => ({ attempt, index, audience: audiences[Math.floor(random() * audiences.length)] }));
}

export function textOf({ attempt, index, audience }) {
  return `${attempt}.${index}${audience}\u{1f600};`;
}

/** Whether a user gets a piece of a run of `by`. What goes to a session depends on which one a viewer has; `maybe`: so it may be. */
export function isFor({ audience }, userId, by, maybe = false) {
  if (audience === 's') return maybe && userId === by;
  return audience === 'r' || (audience === 'u' ? userId === by : USERS['ABC'.indexOf(audience)] === userId);
}

/** A text without what was said to a session alone. */
export function withoutSessions(text) {
  return text.replace(/\d+\.\d+s[^;]*(;|$)/g, '');
}

/** All that an attempt says to a user, as text. */
export function allTold(run, attempt, userId, by) {
  return piecesOf(run, attempt)
    .filter((piece) => isFor(piece, userId, by))
    .map(textOf)
    .join('');
}
