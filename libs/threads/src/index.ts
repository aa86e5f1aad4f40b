export { errorAsData, errorFromData, Moved, movable, PortRpc } from './port-rpc.ts';
export type { CallOptions, ErrorAsData, Handlers, MessageEnd } from './port-rpc.ts';
export { Thread, Threads, type ThreadOptions } from './thread.ts';
export { profileThread, profileThreads, type CpuNode, type CpuProfile, type CpuProfiling } from './cpu-profile.ts';
