export { BYTES_PER_QUERY, queryFrontendDefaults, type QueryFrontendConfig } from './config.ts';
export { QueryCalls, type QueryAnswerer, type QueryCall, type QueryReply } from './query-calls.ts';
export { QueryFrontend, type Queries, type ReadLimits } from './query-frontend.ts';
