// What stores show of runs while they are at work: streams as views of them, and in the cell of a row until the row takes over.
import { allTold, isFor, piecesOf, USERS, withoutSessions } from './said.mjs';

const KINDS = { tell: 'text', list: 'items', gauge: 'value' };

/** Follows all that a store shows. `violated` hears of what cannot be. */
export function watch(store, { userId, isLeaky, violated }) {
  const viewed = new Set();

  function view(name, run, by) {
    if (!Object.hasOwn(KINDS, name) || viewed.has(run)) return;
    viewed.add(run);
    const stream = store.stream(name, run);
    const follow = createFollower(KINDS[name], { run, userId, by, violated });
    stream.state$.subscribe(follow);
    stream.ended.then(
      async () => {
        const row = store.table('works').get(run);
        if (!row || row.ends === 0) return violated(`the stream of ${run} has ended, and nothing shows how`);
        // Its last pieces may come behind the row. The relay may not have them any more.
        const pieces = await all(stream).catch(() => undefined);
        if (pieces && KINDS[name] === 'text') checkEnd(row, pieces.join(''));
      },
      () => undefined,
    );
  }

  async function all(stream) {
    const pieces = [];
    for await (const piece of stream) pieces.push(piece);
    return pieces;
  }

  /** It ends equal to what `onSettled` wrote; after a crash of the relay a viewer may know more than that. */
  function checkEnd({ id, by, status, text }, state) {
    const [shown, all] = [withoutSessions(state), withoutSessions(forUser(text, by))];
    if (!(status === 'succeeded' ? shown === all : shown.startsWith(all)))
      violated(`the stream of ${id} (${status}) ends as '${state}', and its row as '${text}'`);
  }

  function forUser(text, by) {
    const tokens = text.match(/[^;]*;|[^;]+$/g) ?? [];
    return tokens.filter((token) => isFor({ audience: /\d+\.\d+(.)/.exec(token)?.[1] }, userId, by, true)).join('');
  }

  store.runs$.subscribe((runs) => {
    for (const { id, name, status } of runs) if (status === 'running') view(name, id, userId);
  });
  const cells = new Map();
  const isShared = userId === USERS.at(-1);
  store.table('jobs').changes$.subscribe((changes) => {
    for (const { key, before, after } of changes) {
      if (!after) continue;
      if (after.state !== 'asked') {
        // A tab may read of the end on its device before its own link tells of that; or what told of it was lost.
        if (after.text !== after.final && !isShared && !isLeaky())
          violated(`the row of ${after.run} shows '${after.text}' over '${after.final}'`);
        cells.delete(key);
        continue;
      }
      if (before && before.state !== 'asked') violated(`the row of ${after.run} is open again`);
      let follow = cells.get(key);
      if (!follow) cells.set(key, (follow = createFollower('text', { run: after.run, userId, by: after.by, violated })));
      follow(after.text);
      view(after.name, after.run, after.by);
    }
  });
}

/** Hears each state that is shown: it is a beginning of what an attempt said to this user, and within an attempt it only grows. */
function createFollower(kind, { run, userId, by, violated }) {
  let last = { attempt: 0, length: 0 };
  const measure = { text: ofText, items: ofItems, value: ofValue }[kind];
  return (state) => {
    const now = measure(state);
    if (!now) return;
    const isBack = now.attempt < last.attempt || (now.attempt === last.attempt && now.length < last.length);
    if (isBack && !now.isForSession)
      violated(`${run} showed ${last.length} of attempt ${last.attempt}, and then '${JSON.stringify(state)}'`);
    last = now;
  };

  function wrong(state) {
    violated(`${run} shows ${JSON.stringify(state)}, which is no beginning of what it said`);
  }

  function isForSession(attempt) {
    return userId === by && piecesOf(run, attempt).some(({ audience }) => audience === 's');
  }

  function ofText(text) {
    if (text === '') return undefined;
    const attempt = Number.parseInt(text);
    const shown = withoutSessions(text);
    if (!allTold(run, attempt, userId, by).startsWith(shown)) wrong(text);
    return { attempt, length: shown.length, isForSession: isForSession(attempt) };
  }

  function ofItems(items) {
    const [first] = items;
    if (!first) return undefined;
    const { attempt } = first;
    const shown = items.filter(({ audience }) => audience !== 's');
    const told = piecesOf(run, attempt).filter((piece) => isFor(piece, userId, by));
    const fits = shown.every((piece, at) => piece.attempt === attempt && piece.index === told[at]?.index);
    if (!fits || !items.every((piece) => isFor(piece, userId, by, true))) wrong(items);
    return { attempt, length: shown.length, isForSession: isForSession(attempt) };
  }

  function ofValue(piece) {
    if (piece === undefined) return undefined;
    const { attempt, index } = piece;
    const isSaid = piecesOf(run, attempt)[index]?.audience === piece.audience;
    if (!isSaid || !isFor(piece, userId, by, true)) wrong(piece);
    return { attempt, length: index, isForSession: isForSession(attempt) };
  }
}
