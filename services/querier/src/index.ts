export type { Owners } from './owners.ts';
export { Querier, type QuerierAnswer, type QuerierLimits, type QuerierPorts, type QuerierStats } from './querier.ts';
