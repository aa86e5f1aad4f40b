export { errorAsData, errorFromData, Moved, movable, PortRpc } from './port-rpc.ts';
export type { CallOptions, ErrorAsData, Handlers, MessageEnd } from './port-rpc.ts';
export { Thread, Threads, type ThreadOptions } from './thread.ts';
export type { CpuNode, CpuProfile, CpuProfiling } from './cpu-profile.ts';
export { profileAllThreads, profileThread, profileThreads } from './thread-profiles.ts';
