export { Moved, movable, PortRpc, type Handlers, type MessageEnd } from './port-rpc.ts';
export { Thread, type ThreadOptions } from './thread.ts';
