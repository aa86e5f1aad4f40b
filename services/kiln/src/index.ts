export { runCommandLine } from './command-line.ts';
export { nodeCodecs } from './codecs.ts';
export type { Terminal } from './terminal.ts';
