export { toConnectError } from './connect-error.ts';
export { createConnectHandler, type ConnectHandlerOptions, type RawHandler } from './connect-handler.ts';
export { isGrpc, sendGrpcError } from './grpc-error.ts';
export { mediaType, UnaryCall } from './unary-call.ts';
export { ProfileSchema, type Profile as PprofMessage } from './gen/google/v1/profile_pb.ts';
export * from './gen/querier/v1/querier_pb.ts';
export { PusherService, PushRequestSchema, PushResponseSchema } from './gen/push/v1/push_pb.ts';
export {
  ExemplarType,
  TimeSeriesAggregationType,
  type LabelNamesRequest,
  type LabelValuesRequest,
  type StackTraceSelector,
} from './gen/types/v1/types_pb.ts';
