export { LeftOut } from './left-out.ts';
export type { Owners } from './owners.ts';
export { Querier, type QuerierLimits, type QuerierPorts } from './querier.ts';
