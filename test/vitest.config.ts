import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// The tests run against `dist`, through the package's own name: no source condition, or a second copy would be loaded.
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/*.browser.test.ts', '**/node_modules/**'],
    pool: 'forks',
  },
});
