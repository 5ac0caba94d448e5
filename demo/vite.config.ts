import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

// Two pages: the host, and the client that it shows twice. The server serves what this builds.
export default defineConfig({
  root: path('page'),
  plugins: [react()],
  build: {
    outDir: path('../dist/demo/page'),
    emptyOutDir: true,
    target: 'es2023',
    rolldownOptions: { input: [path('page/index.html'), path('page/pane.html')] },
  },
});
