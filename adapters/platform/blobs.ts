import { createHash } from 'node:crypto';
import { access, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

/** A kept blob, by the SHA-256 of its bytes. */
export interface BlobRef {
  readonly hash: string;
  readonly size: number;
}

/**
 * Blobs in a folder, for `definePlatform({ ...folderBlobs('./blobs') })`. A blob is named by its content: putting the same
 * bytes again changes nothing, and what is there is never overwritten. `blob.put` resolves when the bytes are on disk.
 */
export function folderBlobs(folder: string): {
  readonly 'blob.put': (input: { readonly bytes: Uint8Array }) => Promise<BlobRef>;
  readonly 'blob.get': (input: { readonly hash: string }) => Promise<Uint8Array | undefined>;
  readonly 'blob.has': (input: { readonly hash: string }) => Promise<boolean>;
} {
  let count = 0;
  // Only what a hash can be: a name from outside must not lead out of the folder.
  const pathOf = (hash: string): string | undefined => (/^[0-9a-f]{64}$/.test(hash) ? join(folder, hash) : undefined);

  async function has(path: string | undefined): Promise<boolean> {
    if (path === undefined) return false;
    return access(path).then(
      () => true,
      () => false,
    );
  }

  return {
    async 'blob.put'({ bytes }) {
      const hash = createHash('sha256').update(bytes).digest('hex');
      const path = join(folder, hash);
      if (await has(path)) return { hash, size: bytes.length };
      await mkdir(folder, { recursive: true });
      const part = `${path}.${process.pid}-${++count}.part`;
      const file = await open(part, 'wx');
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(part, path);
      return { hash, size: bytes.length };
    },
    async 'blob.get'({ hash }) {
      const path = pathOf(hash);
      return path !== undefined && (await has(path)) ? new Uint8Array(await readFile(path)) : undefined;
    },
    'blob.has': ({ hash }) => has(pathOf(hash)),
  };
}
