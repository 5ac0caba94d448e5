/** Whether a run is put aside (`parked`): 1 until one of its lane is at work no more, or the one it `joins` has ended; 2 until a start. */
export const RUN_TABLES = `
  CREATE TABLE runs (
    position INTEGER PRIMARY KEY, room INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, input TEXT NOT NULL,
    userId TEXT NOT NULL, queuedAt INTEGER NOT NULL, notBefore INTEGER NOT NULL, expiresAt INTEGER NOT NULL,
    lane TEXT, digest TEXT, attempt INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0, canceled INTEGER NOT NULL DEFAULT 0, parked INTEGER NOT NULL DEFAULT 0,
    owner TEXT, leaseUntil INTEGER NOT NULL DEFAULT 0, joins INTEGER, error TEXT, ending TEXT,
    endedAt INTEGER NOT NULL DEFAULT 0, seq INTEGER NOT NULL DEFAULT 0, session TEXT,
    UNIQUE (room, id)
  );
  CREATE INDEX dueRuns ON runs (userId, notBefore, position) WHERE ending IS NULL AND owner IS NULL AND parked = 0;
  CREATE INDEX comingRuns ON runs (notBefore) WHERE ending IS NULL AND owner IS NULL AND parked = 0;
  CREATE INDEX leasedRuns ON runs (owner, leaseUntil) WHERE owner IS NOT NULL AND ending IS NULL;
  CREATE INDEX lanes ON runs (name, lane, notBefore, position) WHERE ending IS NULL AND lane IS NOT NULL;
  CREATE INDEX dueLanes ON runs (name, lane, notBefore, position)
    WHERE ending IS NULL AND owner IS NULL AND parked = 0 AND lane IS NOT NULL;
  CREATE INDEX heldLanes ON runs (name, lane) WHERE ending IS NULL AND owner IS NOT NULL AND lane IS NOT NULL;
  CREATE INDEX joiningRuns ON runs (joins) WHERE joins IS NOT NULL;
  CREATE INDEX openRuns ON runs (room, userId) WHERE ending IS NULL;
  CREATE INDEX endedRuns ON runs (endedAt) WHERE ending IS NOT NULL;
  CREATE TABLE steps (
    run INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (run, key)
  ) WITHOUT ROWID;
  CREATE TRIGGER freedLane AFTER UPDATE OF owner ON runs
    WHEN OLD.owner IS NOT NULL AND NEW.owner IS NULL AND NEW.lane IS NOT NULL
  BEGIN
    UPDATE runs SET parked = 0 WHERE position = (
      SELECT position FROM runs WHERE name = NEW.name AND lane = NEW.lane AND ending IS NULL AND parked = 1 AND joins IS NULL
        AND position <> NEW.position ORDER BY notBefore, position LIMIT 1
    );
  END;
  CREATE TRIGGER endedRun AFTER UPDATE OF ending ON runs WHEN NEW.ending IS NOT NULL
  BEGIN
    UPDATE runs SET parked = 0 WHERE joins = NEW.position AND parked = 1;
  END;
  CREATE TRIGGER purgedRun AFTER DELETE ON runs
  BEGIN
    DELETE FROM steps WHERE run = OLD.position;
  END;
`;

/** How a row stands, see `StoredRunStatus`. */
export const STATUS = `CASE WHEN runs.ending IS NOT NULL THEN json_extract(runs.ending, '$.status')
  WHEN runs.owner IS NOT NULL THEN 'running' WHEN runs.tries + runs.interruptions > 0 THEN 'waiting' ELSE 'queued' END`;
