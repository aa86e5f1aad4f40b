export { distributorModule, type DistributorModulePorts } from './distributor.module.ts';
export { readBody } from './body.ts';
export { readPushRequest, readPushRequestJson, type PushedSeries } from './push-request.ts';
