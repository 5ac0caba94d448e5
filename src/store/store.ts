import type { AnyAccess } from '../access/access.ts';
import { asCotableError, CotableError, isCotableError } from '../errors.ts';
import type { MutatorFunctions } from '../mutation/run.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { ClientDatabase, ClientStorage, Durability } from '../ports/client-storage.ts';
import type { TabTransport } from '../ports/tabs.ts';
import type { Transport } from '../ports/transport.ts';
import type { AnySchema } from '../schema/schema.ts';
import { createDeferred, quiet } from '../util/deferred.ts';
import { createConnector } from '../link/connector.ts';
import { createCore } from './core.ts';
import { createIdentity, isRefused, stateAfter } from './identity.ts';
import { createJournal, type Journal } from './journal.ts';
import { createMutate } from './mutate.ts';
import { createRejections } from './rejections.ts';
import { createRuns } from './runs.ts';
import type { Asked } from './waiting-calls.ts';
import { createStatus } from './store-status.ts';
import { createSession, type Session } from './session.ts';
import { storeWire } from './store-wire.ts';
import { inTurn } from './in-turn.ts';
import { createOutbox } from './outbox.ts';
import { createOwnAuthority } from './own-authority.ts';
import { patientStorage } from './patient-storage.ts';
import { createTabLine, type TabMessage, type TabSender } from './tab-line.ts';
import { createTables } from './tables.ts';
import { createTabs } from './tabs.ts';
import type { CallOptions, RunHandle, Store, StreamView } from './types.ts';

/** What a store is made of: everything it does to the world outside is handed in. */
export interface StoreParts {
  readonly schema: AnySchema;
  readonly mutators: MutatorFunctions;
  readonly access: AnyAccess | undefined;
  readonly room: string;
  readonly storage: ClientStorage;
  /** Taken when `storage` cannot be opened. */
  readonly fallback: ClientStorage;
  /** How to reach the relay. None: this device is the authority. */
  readonly transports: readonly Transport[];
  /** How to reach the other tabs. */
  readonly tabs: readonly TabTransport[];
  readonly token: (() => string | Promise<string>) | undefined;
  readonly userId: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** After how many entries the device's log is folded into its documents, if they are small. Left out: 500. */
  readonly foldLogAfter?: number;
}

/** Puts a store together from its parts. The types of the schema are given to it by `createStore`. */
export function createStoreOf(parts: StoreParts): Store<AnySchema> {
  const { schema, clock, random } = parts;
  const synced = createDeferred<void>();
  let journal: Journal | undefined;
  let isReady = false;
  /** Mutations that were made before there was anything to run them on. */
  const waiting: ((error?: CotableError) => void)[] = [];
  /** Why the store is of no use. */
  let ruin: CotableError | undefined;
  let closing: Promise<void> | undefined;
  /** A newer version of the app has been here: this one may only look. */
  let outdated: CotableError | undefined;
  /** Settled when it is known what this tab has to send. */
  let counted: Promise<void> | undefined;
  const hasRelay = parts.transports.length > 0;

  const status = createStatus(() => journal?.durable);
  const { show, enter, damaged } = status;

  const core = createCore(
    { ...parts, hasRelay },
    {
      changed(tablesChanged) {
        views.publish(tablesChanged);
        show({ pending: core.replica.pending.size + core.replica.foreign.size });
        inTurn(outbox.touch);
        runs.caughtUp(core.replica.seq);
      },
      rejected: (mutation, error) => rejections.add(mutation, error),
      arrived: (ids) => rejections.disproved(ids),
      damaged,
      notKept: (error) => status.isNotKept(error, true),
      kept(mutations, failure) {
        if (!hasRelay) return authority.kept(mutations, failure);
        session.pump();
        inTurn(outbox.touch);
        tabs.announce(mutations);
      },
      judged: (verdicts) => tabs.judged(verdicts),
      stale: () => void session.renew(),
    },
  );
  const views = createTables(Object.keys(schema.tables), () => core.replica.tables);
  const outbox = createOutbox(
    () => core.replica,
    (id) => session.isSent(id),
  );
  const ask = (asked: Asked): void => {
    session.made(asked);
    session.pump();
  };
  const runs = createRuns({
    core,
    clock,
    send: hasRelay ? ask : undefined,
    isShared: parts.tabs.length > 0,
    isOwn: (asker) => asker === undefined || identity.isOwn(asker),
    isOnline: () => status.now.state === 'online',
    nextKey: () => mutate.nextKey(),
    userId: () => (isReady || parts.userId !== undefined ? identity.userId() : undefined),
    stream: (action, id) => stream(action, id),
  });
  const { token } = parts;
  const identity = createIdentity({
    core,
    named: parts.userId,
    token,
    askers: runs.askers,
    clock,
    changed: showRights,
  });
  const session: Session = createSession(
    core,
    runs,
    { ...identity, token: introduce },
    {
      heard: () => connector.settled(),
      level() {
        status.mended();
        tabs.level(true);
        enter('online');
        synced.resolve();
      },
      failed(error) {
        const state = stateAfter(error);
        if (state) enter(state, error);
      },
    },
  );
  const connector = createConnector(parts.transports, storeWire, clock, random, {
    opened: (link) => session.opened(link),
    frame: (frame, link) => session.frame(frame, link),
    trying: () => isRefused(status.now.state) || enter('connecting'),
    lost(reason) {
      tabs.level(false);
      session.lost();
      identity.lost();
      inTurn(outbox.touch);
      const state = reason && stateAfter(reason);
      if (state) enter(state, reason);
      else if (!isRefused(status.now.state) || !reason) enter('offline', reason);
    },
  });
  const name = `${encodeURIComponent(parts.userId ?? '')}/${encodeURIComponent(parts.room)}${hasRelay ? '' : '/alone'}`;
  const line = createTabLine(
    parts.tabs,
    name,
    () => ({ from: core.replicaName, device: core.device.deviceId, schemaVersion: schema.schemaVersion }),
    hearTab,
  );
  const tabs = createTabs(core, line, clock, { adopt: session.renew, adoptRequests: runs.adopt, freed: session.pump });
  const ready = quiet(load());
  const mutate = createMutate({
    core,
    whenReady: (begin) => void (isReady || ruin ? begin(ruin) : waiting.push(begin)),
    refusal,
    userId: identity.userId,
    async keep(mutation) {
      await core.keep(mutation, hasRelay ? undefined : authority.record(mutation));
      if (!journal?.durable) throw new CotableError('storage.notDurable', {});
    },
    committed: (mutation) => session.made(mutation),
  });
  const rejections = createRejections(
    mutate.mutate,
    (batch) => core.disk.writeQuietly(batch),
    (id) => line.send({ type: 'dismissed', id }),
  );
  const authority = createOwnAuthority(core, line, mutate.nextKey);

  /** Why nothing can be written or asked for. */
  function refusal(): CotableError | undefined {
    if (closing) return new CotableError('store.closed', {});
    return outdated ?? (core.device.isReader ? new CotableError('auth.forbidden', { room: parts.room }) : undefined);
  }

  function call(name: string, input: unknown, options?: CallOptions): RunHandle<unknown> {
    const reason = core.device.isReader ? refusal() : undefined;
    if (reason) throw reason;
    return runs.call(name, input, options);
  }

  function hearTab(message: TabMessage, sender: TabSender): void {
    const mine = schema.schemaVersion;
    if (outdated || closing) return;
    if (sender.schemaVersion > mine) return outdate(sender.schemaVersion);
    // An older page learns from any message that it is.
    if (sender.schemaVersion < mine) return line.send({ type: 'ask', of: sender.from });
    if (message.type === 'dismissed') rejections.forget(message.id);
    if (hasRelay) tabs.heard(message, sender);
    else authority.heard(message, sender);
  }

  function showRights(): void {
    show({ mayWrite: !core.device.isReader });
  }

  function outdate(theirs: number): void {
    outdated = new CotableError('schema.tooOld', { mine: schema.schemaVersion, theirs });
    connector.close();
    core.disk.letGo();
    runs.refuse(outdated);
    enter('error', outdated);
  }

  async function load(): Promise<void> {
    try {
      const stored = await read(await open()).catch(async (error: unknown) => {
        // The database was deleted in this very moment: there is nothing to be read any more.
        if (!isCotableError(error, 'storage.closed')) throw error;
        return read(await withoutDisk(error));
      });
      rejections.load(stored.rejected);
      await runs.load(stored);
      if (!hasRelay) authority.mend(stored);
      isReady = true;
      showRights();
      if (stored.device.schemaVersion > schema.schemaVersion) outdate(stored.device.schemaVersion);
      for (const begin of waiting.splice(0)) begin();
      line.open();
      if (closing || outdated) return;
      if (hasRelay) goOnline(stored.calls.map(({ key }) => key.replica));
      else {
        authority.start(stored);
        enter('alone');
        synced.resolve();
      }
    } catch (error) {
      const reason = asCotableError(error, (text) => new CotableError('storage.unavailable', { reason: text }, { cause: error }));
      ruin = reason;
      enter('error', reason);
      for (const begin of waiting.splice(0)) begin(reason);
      throw reason;
    }
  }

  function goOnline(asking: readonly number[]): void {
    if (parts.tabs.length > 0) counted = tabs.start(asking);
    connector.start();
  }

  /** A link may be opened before it is known what this tab has to send; it is not greeted with less. */
  async function introduce(): Promise<string> {
    await counted;
    return (await parts.token?.()) ?? '';
  }

  /** A device that keeps nothing is no reason not to work: the store goes on in memory, and says so. */
  async function open(): Promise<ClientDatabase> {
    try {
      return await patientStorage(parts.storage, clock).open(name, { durability });
    } catch (error) {
      return withoutDisk(asCotableError(error, (text) => new CotableError('storage.unavailable', { reason: text }, { cause: error })));
    }
  }

  function withoutDisk(reason: CotableError): Promise<ClientDatabase> {
    status.isNotKept(reason, false);
    return parts.fallback.open(name);
  }

  async function read(database: ClientDatabase): ReturnType<typeof core.load> {
    journal = createJournal(database);
    if (database.wasLost) damaged(new CotableError('storage.corrupt', { record: 'the database is gone' }));
    return core.load(journal, hasRelay && parts.tabs.length > 0);
  }

  function durability(durable: Durability): void {
    if (closing || status.notKept) return;
    // A write tells why nothing is kept any more, to all who have to know.
    if (durable) show({ durable });
    else core.disk.writeQuietly({});
  }

  function stream(action: string, run: string): StreamView<never, never> {
    const shape = Object.hasOwn(schema.actions, action) ? schema.actions[action] : undefined;
    if (!shape) throw new CotableError('action.unknown', { name: action });
    const view = core.streams.view(run, shape.stream?.kind ?? 'text');
    if (hasRelay) session.pump();
    else core.streams.gone(run);
    // What its validator gives is known to the types of the schema only.
    return view as StreamView<never, never>;
  }

  async function close(): Promise<void> {
    session.leave();
    connector.close();
    await ready.catch(() => undefined);
    await journal?.close();
    tabs.close();
    line.close();
    for (const receipt of core.verdicts.receipts.values()) receipt.reject(new CotableError('store.closed', {}));
    synced.reject(new CotableError('store.closed', {}));
    enter('closed');
    status.complete();
    views.close();
    rejections.close();
    inTurn(outbox.close);
    runs.close();
    core.streams.close();
  }

  return {
    mutate: Object.freeze(
      Object.fromEntries(Object.keys(schema.mutators).map((name) => [name, (input: unknown) => mutate.mutate(name, input)])),
    ),
    action: Object.freeze(
      Object.fromEntries(
        Object.keys(schema.actions).map((name) => [name, (input: unknown, options?: CallOptions) => call(name, input, options)]),
      ),
    ),
    run: runs.find,
    stream,
    connection: {
      room: parts.room,
      transports: parts.transports,
      token,
      userId: parts.userId,
      async identify() {
        await ready;
        return identity.claim();
      },
    },
    get sessionId() {
      return session.sessionId;
    },
    table: (name) => views.table(name),
    get status() {
      return status.now;
    },
    status$: status.now$,
    get outbox() {
      return outbox.list();
    },
    outbox$: outbox.list$,
    get rejections() {
      return rejections.list();
    },
    rejections$: rejections.list$,
    get runs() {
      return runs.list();
    },
    runs$: runs.list$,
    ready,
    synced: synced.promise,
    close: () => (closing ??= close()),
  };
}
