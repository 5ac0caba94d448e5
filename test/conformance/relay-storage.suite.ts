import { describe } from 'vitest';
import { acceptRules } from './relay-storage.accept-rules.ts';
import { callRules } from './relay-storage.call-rules.ts';
import { leaseRules } from './relay-storage.lease-rules.ts';
import { rebirthRules } from './relay-storage.rebirth-rules.ts';
import { type RelayStoragePlace, usePlace } from './relay-storage.place.ts';
import { streamRules } from './relay-storage.stream-rules.ts';
import { roomRules } from './relay-storage.room-rules.ts';
import { runRules } from './relay-storage.run-rules.ts';

/** What every relay storage must do; `RULES-relay-storage.md` lists the rules by their ids. */
export function relayStorageSuite(name: string, make: () => RelayStoragePlace | Promise<RelayStoragePlace>): void {
  describe(`relay storage: ${name}`, () => {
    const here = usePlace(make);
    roomRules(here);
    acceptRules(here);
    callRules(here);
    rebirthRules(here);
    streamRules(here);
    leaseRules(here);
    runRules(here);
  });
}
