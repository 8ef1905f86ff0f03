/** The demo page: `npm run demo` serves it from the sources, `npm run demo:build` makes `demo/dist`, a static folder. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const repository = fileURLToPath(new URL('..', import.meta.url));

export default defineConfig({
  base: './',
  resolve: {
    alias: [
      { find: /^couplet\/bench$/, replacement: `${repository}src/bench.ts` },
      { find: /^couplet$/, replacement: `${repository}src/index.ts` },
    ],
  },
  server: { fs: { allow: [repository] } },
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 1000,
    rolldownOptions: { input: ['index.html', 'bench.html'].map((page) => `${repository}demo/${page}`) },
  },
});
