import { defineConfig } from 'vite';

/** The page: relative addresses only, so that it works below any prefix; our own packages from their sources. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  resolve: { conditions: ['source'] },
  build: {
    outDir: 'dist/page',
    emptyOutDir: true,
    target: 'es2024',
    // Browsers with light-dark(): rewritten it would not follow the theme that a script sets.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
