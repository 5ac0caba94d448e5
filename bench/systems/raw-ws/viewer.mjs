export { addressOf, greet, isWelcome } from './reader.mjs';

export const tellsEnd = false;

/** Four bytes tell where it begins. */
export const streamedIn = (message) => [{ offset: message.readUInt32BE(0), text: message.toString('latin1', 4) }];
