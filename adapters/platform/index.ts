export { folderBlobs } from './blobs.ts';
export type { BlobRef } from './blobs.ts';
export { chatCompletions } from './chat-completions.ts';
export type { ChatAnswer, ChatCompletions, ChatCompletionsOptions, ChatMessage } from './chat-completions.ts';
export { permissions } from './permissions.ts';
