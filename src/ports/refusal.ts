/** Why something was refused or failed, as it is kept and told: code and params of an error. */
export interface Refusal {
  readonly code: string;
  readonly params: Readonly<Record<string, unknown>>;
}
