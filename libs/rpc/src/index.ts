export { answeredFor } from './answered-for.ts';
export { clientLeft } from './client-left.ts';
export { collectBody } from './collect-body.ts';
export { EncodedAnswer, EncodedBytes, EncodedMessage } from './encoded-answer.ts';
export { grpcErrorAnswer, isGrpc } from './grpc-error.ts';
export { InFlight, type Held } from './in-flight.ts';
export { inflateSmall, readSmallBody } from './small-body.ts';
export { takesCoding } from './takes-coding.ts';
export { traceIdOf } from './trace-id.ts';
export { mediaType, UnaryCall, type Body } from './unary-call.ts';
export { unaryService, type UnaryContext, type UnaryMethods, type UnaryService } from './unary-service.ts';
export { ProfileSchema, type Profile as PprofMessage } from './gen/google/v1/profile_pb.ts';
export * from './gen/querier/v1/querier_pb.ts';
export { PusherService, PushRequestSchema, PushResponseSchema } from './gen/push/v1/push_pb.ts';
export {
  ExemplarType,
  LabelValuesRequestSchema,
  TimeSeriesAggregationType,
  type ExemplarSchema,
  type LabelPairSchema,
  type ProfileTypeSchema,
  type SeriesSchema,
  type LabelNamesRequest,
  type LabelValuesRequest,
  type StackTraceSelector,
} from './gen/types/v1/types_pb.ts';
export { AdHocProfileService } from './gen/adhocprofiles/v1/adhocprofiles_pb.ts';
export { FeatureFlagsService } from './gen/capabilities/v1/feature_flags_pb.ts';
export { Health as HealthService, HealthCheckResponse_ServingStatus } from './gen/grpc/health/v1/health_pb.ts';
export { SettingsService } from './gen/settings/v1/settings_pb.ts';
export { Version as VersionService } from './gen/version/v1/version_pb.ts';
