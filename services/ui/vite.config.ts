import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

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
    // Compressing is the work of this build, and no news.
    rolldownOptions: { checks: { pluginTimings: false } },
    // The server's policy lets no address hold what a file should.
    assetsInlineLimit: 0,
  },
  plugins: [compressed()],
});

/** Writes `x.br` and `x.gz` beside every file `x` that gets smaller: here once, and not at each start of a server. */
function compressed(): Plugin {
  return {
    name: 'kiln:compressed',
    apply: 'build',
    writeBundle({ dir }) {
      for (const name of readdirSync(dir!, { recursive: true, encoding: 'utf8' })) {
        const file = join(dir!, name);
        if (statSync(file).isDirectory()) continue;
        const plain = readFileSync(file);
        const br = brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } });
        const gz = gzipSync(plain, { level: 9 });
        if (br.length < plain.length) writeFileSync(`${file}.br`, br);
        if (gz.length < plain.length) writeFileSync(`${file}.gz`, gz);
      }
    },
  };
}
