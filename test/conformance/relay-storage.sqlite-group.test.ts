import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../adapters/sqlite/database.ts';
import { chooseDriver, type Connection } from '../../adapters/sqlite/driver.ts';
import { createGroup, type Group } from '../../adapters/sqlite/group.ts';
import type { Answer, Request } from '../../adapters/sqlite/messages.ts';
import { storageError } from '../../adapters/sqlite/storage-error.ts';
import { acceptance, BIRTH } from './relay-storage.fixtures.ts';

describe('sqlite: one commit for many calls', () => {
  let connection: Connection;
  let group: Group;
  let statements: string[];
  /** Thrown by the next COMMIT. */
  let commitError: Error | undefined;

  beforeEach(() => {
    connection = openDatabase(chooseDriver(), ':memory:', 0);
    statements = [];
    commitError = undefined;
    group = createGroup(spied(connection), 'test.db');
    group([{ id: 0, method: 'openRoom', args: ['room', BIRTH] }]);
    statements.length = 0;
  });
  afterEach(() => connection.close());

  /** A connection that notes its transactions and whose COMMIT can fail. */
  function spied(real: Connection): Connection {
    return {
      ...real,
      exec: (sql) => {
        statements.push(sql);
        const error = commitError;
        if (sql === 'COMMIT' && error !== undefined) {
          commitError = undefined;
          throw error;
        }
        real.exec(sql);
      },
    };
  }

  function accept(id: number, after: number, bytes?: Uint8Array): Request {
    return { id, method: 'accept', args: ['room', { epoch: 1, after }, [acceptance(after + 1, { bytes })]] };
  }
  const readAll: Request = { id: 99, method: 'entries', args: ['room', 0, 99] };

  function seqs(): readonly number[] {
    const [answer] = group([readAll]);
    return answer && 'value' in answer ? (answer.value as { readonly seq: number }[]).map(({ seq }) => seq) : [];
  }

  function codes(answers: readonly Answer[]): readonly string[] {
    return answers.map((answer) => ('error' in answer ? answer.error.errorCode : 'kept'));
  }

  it('[SQ5] a call that fails is undone alone, and the others share one commit', () => {
    const answers = group([accept(1, 0), accept(2, 0), accept(3, 1), readAll]);
    expect(codes(answers)).toEqual(['kept', 'storage.conflict', 'kept', 'kept']);
    expect(answers.map(({ id }) => id)).toEqual([1, 2, 3, 99]);
    expect(statements).toEqual(['BEGIN IMMEDIATE', 'COMMIT']);
    expect(seqs()).toEqual([1, 2]);
  });

  it('[SQ6] when the commit fails every call of the group fails, nothing is kept, and the next group goes on', () => {
    commitError = Object.assign(new Error('disk I/O error'), { errcode: 778 });
    const answers = group([accept(1, 0), accept(2, 0), readAll]);
    expect(codes(answers)).toEqual(['storage.unavailable', 'storage.unavailable', 'storage.unavailable']);
    expect(answers[0]).toMatchObject({ error: { errorParams: { reason: 'test.db: disk I/O error' } } });
    expect(seqs()).toEqual([]);
    expect(codes(group([accept(1, 0)]))).toEqual(['kept']);
    expect(seqs()).toEqual([1]);
  });

  it('[SQ13] a full disk is storage.quota and leaves nothing of the group behind', () => {
    expect(codes(group([accept(1, 0)]))).toEqual(['kept']);
    connection.exec('PRAGMA max_page_count = 40');
    // SQLite gives up the whole transaction, and so the calls that shared it.
    const answers = group([accept(2, 1), accept(3, 2, new Uint8Array(1_000_000)), accept(4, 2)]);
    expect(codes(answers)).toEqual(['storage.quota', 'storage.quota', 'storage.quota']);
    expect(seqs()).toEqual([1]);
    connection.exec('PRAGMA max_page_count = 100000');
    expect(codes(group([accept(5, 1)]))).toEqual(['kept']);
  });

  it('[SQ13] what SQLite says becomes a storage error, under each driver', () => {
    const codeOf = (error: object) => storageError(Object.assign(new Error('reason'), error), 'test.db').code;
    expect([{ errcode: 13 }, { rawCode: 13 }].map(codeOf)).toEqual(['storage.quota', 'storage.quota']);
    expect([{ errcode: 11 }, { rawCode: 267 }, { rawCode: 26 }].map(codeOf)).toEqual([
      'storage.corrupt',
      'storage.corrupt',
      'storage.corrupt',
    ]);
    expect([{ errcode: 5 }, { rawCode: 8 }, {}].map(codeOf)).toEqual(['storage.unavailable', 'storage.unavailable', 'storage.unavailable']);
  });
});
