export type { Missing } from './missing.ts';
export type { LogFrom, OwnerAnswer, Owners, PartRef } from './owners.ts';
export { Querier, type QuerierAnswer, type QuerierLimits, type QuerierPorts, type QuerierStats } from './querier.ts';
