export type { Answer, AnswerGap, Queries, ReadLimits } from './query-frontend.ts';
export { queryFrontendModule, type QueryFrontendPorts } from './query-frontend.module.ts';
