/** What a tab says to the others and hears from them. */
export interface TabChannel {
  /** Reaches every other tab that has joined, in the order of the calls. The message is copied within the call (structured clone). */
  send(message: unknown): void;
  /** Leaves. Closing twice does nothing. */
  close(): void;
}

/** How the tabs of one device reach each other, without any relay. */
export interface TabTransport {
  /** Joins the tabs that have joined under the same name. `heard` gets what they send from now on, never while `join` or `send` runs. */
  join(name: string, heard: (message: unknown) => void): TabChannel;
}
