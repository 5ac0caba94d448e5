import type { ReactNode } from 'react';

function Icon({ children }: { readonly children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      {children}
    </svg>
  );
}

export const ClockIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="5.75" />
    <path d="M8 4.75V8l2.25 1.5" />
  </Icon>
);

export const CheckIcon = () => (
  <Icon>
    <path d="m3.5 8.5 3 3 6-7" />
  </Icon>
);

export const ReloadIcon = () => (
  <Icon>
    <path d="M13.25 8A5.25 5.25 0 1 1 11.6 4.2M13.25 2.25V5h-2.75" />
  </Icon>
);

export const TabsIcon = () => (
  <Icon>
    <path d="M5.25 10.75v-7a1 1 0 0 1 1-1h7a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1ZM10.75 11.75v1.5a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1h2.5M9.75 5v4.5M7.5 7.25H12" />
  </Icon>
);

export const EditIcon = () => (
  <Icon>
    <path d="m3 13 .6-2.7 7-7a1.2 1.2 0 0 1 1.7 0l.4.4a1.2 1.2 0 0 1 0 1.7l-7 7L3 13Z" />
  </Icon>
);

export const DeleteIcon = () => (
  <Icon>
    <path d="M3 4.5h10M6.25 4.5V3h3.5v1.5M4.5 4.5l.5 8.25h6l.5-8.25M6.9 7v3.5M9.1 7v3.5" />
  </Icon>
);

export const SendIcon = () => (
  <Icon>
    <path d="M8 13V3.5M4 7.25 8 3.25l4 4" />
  </Icon>
);

export const DownIcon = () => (
  <Icon>
    <path d="M8 3v9.5M4 8.75l4 4 4-4" />
  </Icon>
);

export const BotIcon = () => (
  <Icon>
    <rect x="2.75" y="5" width="10.5" height="8" rx="2.5" />
    <path d="M8 5V2.25M6 8.5v1M10 8.5v1" />
  </Icon>
);

export const WarningIcon = () => (
  <Icon>
    <path d="M8 2.5 14 13H2L8 2.5ZM8 6.75v3M8 11.4v.1" />
  </Icon>
);

export const ChatIcon = () => (
  <svg className="chat-icon" viewBox="0 0 64 48" aria-hidden="true">
    <path d="M6 4h30a4 4 0 0 1 4 4v14a4 4 0 0 1-4 4H16l-8 7v-7H6a4 4 0 0 1-4-4V8a4 4 0 0 1 4-4Z" />
    <path d="M46 16h12a4 4 0 0 1 4 4v14a4 4 0 0 1-4 4h-2v6l-7-6H30a4 4 0 0 1-4-4v-2" />
  </svg>
);
