import { defineConfig, mergeConfig } from 'vite';
import page from './vite.config.ts';

/** The page of `./kiln bench --ui`, built as the page is, into a folder that the bench names. */
export default mergeConfig(
  page,
  defineConfig({ build: { rolldownOptions: { input: `${import.meta.dirname}/bench.html` } } }),
);
