import type { StoreState } from 'cotable';
import { useStatus } from 'cotable/react';
import { useSyncExternalStore } from 'react';
import type { ChatProps } from './chat.tsx';
import { ClockIcon, ReloadIcon, TabsIcon } from './icons.tsx';

const WORDS: Readonly<Record<StoreState, string>> = {
  loading: 'Loading',
  offline: 'Offline',
  connecting: 'Connecting',
  online: 'Online',
  alone: 'On this device',
  'needs-auth': 'Sign in',
  denied: 'Denied',
  error: 'Error',
  closed: 'Closed',
};

/** Who this is, how it stands with the relay, and what one can do to the client itself. */
export function PaneHeader({ user, network, reload }: ChatProps) {
  const { state, pending, reason } = useStatus();
  const isOn = useSyncExternalStore(network.subscribe, () => network.isOn);
  return (
    <header className="pane-header">
      <span className="avatar" aria-hidden="true">
        {user.slice(0, 1)}
      </span>
      <div className="who">
        <div className="name">
          <h1>{user}</h1>
          <a
            className="another-tab"
            href={`/pane.html?user=${encodeURIComponent(user)}`}
            target="_blank"
            rel="noopener"
            aria-label={`Open another tab as ${user}`}
          >
            <TabsIcon />
            Another tab
          </a>
        </div>
        <p className="facts">
          <span className="pending-count" data-some={pending > 0}>
            <ClockIcon />
            {pending} pending
          </span>
          <span className="state" role="status" data-state={state}>
            {WORDS[state]}
          </span>
          {reason && <code className="reason">{reason.code}</code>}
          {!reason && isOn && state === 'offline' && <span className="reason">no answer, trying again</span>}
        </p>
      </div>
      <label className="network">
        Network
        <input type="checkbox" role="switch" checked={isOn} onChange={(event) => network.set(event.target.checked)} />
      </label>
      <button type="button" className="reload" onClick={() => void reload()}>
        <ReloadIcon />
        Reload
      </button>
    </header>
  );
}
