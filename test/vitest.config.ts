import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// The tests run against `dist`, through the package's own name: no source condition, or a second copy would be loaded.
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/*.browser.test.ts', '**/node_modules/**'],
    pool: 'forks',
    // Nothing is proved by a time limit: these only end what hangs, on a machine with much else to do too.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
  },
});
