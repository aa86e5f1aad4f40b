import { join } from 'node:path';
import { defineConfig } from 'rolldown';

const services = join(import.meta.dirname, '..');

/**
 * What `./kiln` runs: the compiled program and the packages it uses, in a few files instead of the 1,200 that Node would look for, open and compile at
 * every start, and 200 more in each thread. Not minified: stack traces and profiles show real names.
 */
export default defineConfig({
  input: {
    main: join(services, 'kiln/dist/main.js'),
    'partition.worker': join(services, 'ingester/dist/worker/partition.worker.js'),
    'query.worker': join(services, 'kiln/dist/reading/query.worker.js'),
    'compact.worker': join(services, 'kiln/dist/compacting/compact.worker.js'),
    'write.worker': join(services, 'kiln/dist/writing/write.worker.js'),
  },
  platform: 'node',
  // The framework looks for these and does without.
  external: [
    /^@nestjs\/(microservices|websockets|platform-express)\b/,
    /^@fastify\/(multipart|static|view)$/,
    /^class-(transformer|validator)\b/,
  ],
  output: {
    // Beside src: so far from the root as every source, which finds things by it.
    dir: join(import.meta.dirname, 'bundle'),
    // Workers find each other by name, in one folder.
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    cleanDir: true,
    sourcemap: true,
  },
});
