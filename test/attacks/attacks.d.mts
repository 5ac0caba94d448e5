/** An attack as it stands in the corpus. */
export interface Attack {
  readonly hazard: string;
  readonly code: string;
  readonly rule?: string;
  readonly before: readonly string[];
  readonly greeting: string;
  readonly message: string;
}

export declare const attacks: Readonly<Record<string, unknown>>;
export declare function writtenOf(attack: unknown): Attack;
