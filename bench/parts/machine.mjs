import { cpus, totalmem } from 'node:os';

/** What a reader needs to judge the figures by, and nothing that names the machine. */
export function machine() {
  const all = cpus();
  return {
    processor: all[0]?.model ?? 'unknown',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
  };
}
