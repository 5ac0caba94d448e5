export { folderBlobs } from './blobs.ts';
export type { BlobRef } from './blobs.ts';
export { permissions } from './permissions.ts';
