import { isCotableError, type CotableError, type Rejection } from 'cotable';
import { useStatus, useStore } from 'cotable/react';
import { useCallback, useState, useSyncExternalStore, type ReactNode } from 'react';
import type { ChatSchema } from '../shared/schema.ts';
import { explain } from './explain.ts';

/** What the reader has to know beyond the state: why the relay refuses, that the device keeps nothing, what was taken back. */
export function Notices() {
  const { state, reason, durable } = useStatus();
  return (
    <div className="notices">
      {reason && (state === 'error' || !durable) && (
        <Notice title={durable ? 'The relay refuses' : 'Not kept on this device'} error={reason} />
      )}
      {reason && state !== 'error' && durable && isCotableError(reason, 'storage.corrupt') && (
        <Notice title="This browser has lost what it had kept" error={reason} />
      )}
      {useRejections().map((rejection) => (
        <RejectionNotice key={rejection.id} rejection={rejection} />
      ))}
    </div>
  );
}

const TITLES: Readonly<Record<string, string>> = {
  send: 'A message was refused',
  edit: 'An edit was refused',
  remove: 'A deletion was refused',
};

function RejectionNotice({ rejection }: { readonly rejection: Rejection }) {
  const [tries, setTries] = useState(0);
  const title = TITLES[rejection.name] ?? 'A change was refused';
  return (
    <Notice title={tries > 0 ? `${title} again` : title} error={rejection.error}>
      <button type="button" onClick={() => void rejection.retry().catch(() => setTries(tries + 1))}>
        Try again
      </button>
      <button type="button" onClick={() => void rejection.dismiss()}>
        Dismiss
      </button>
    </Notice>
  );
}

function Notice({ title, error, children }: { readonly title: string; readonly error: CotableError; readonly children?: ReactNode }) {
  const { code, text } = explain(error);
  return (
    <div className="notice" role="alert">
      <p>
        <strong>{title}</strong> <code>{code}</code>
      </p>
      <p>{text}</p>
      {children && <div className="notice-buttons">{children}</div>}
    </div>
  );
}

function useRejections(): readonly Rejection[] {
  const store = useStore<ChatSchema>();
  const subscribe = useCallback(
    (changed: () => void) => {
      const subscription = store.rejections$.subscribe(changed);
      return () => subscription.unsubscribe();
    },
    [store],
  );
  return useSyncExternalStore(subscribe, () => store.rejections);
}
