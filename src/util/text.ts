const LONE_SURROGATE = /\p{Surrogate}/gu;

/** Whether text can be sent as UTF-8 and come back the same. */
export function isWellFormed(text: string): boolean {
  return text.search(LONE_SURROGATE) < 0;
}

/** Half of a surrogate pair cannot be sent as UTF-8: it becomes U+FFFD here, so that its author sees what others will. */
export function toWellFormed(text: string): string {
  return text.replace(LONE_SURROGATE, '\ufffd');
}
