/** What a page asks its server for before each link. */
export interface Config {
  /** Where the relay takes WebSockets: it is a process of its own, on the same host. */
  readonly relayPort: number;
}
