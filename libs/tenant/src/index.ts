export {
  acceptedAge,
  bodyLimitBytes,
  defaultLimits,
  limitSettings,
  reachMs,
  type Limits,
  type LimitsOf,
} from './limits.ts';
export { withoutOtherLimits } from './other-limits.ts';
export { readOverrides, TenantLimits, type Overrides } from './overrides.ts';
export { RateLimiter } from './rate-limiter.ts';
export { authSettings, TenantResolver, type AuthConfig, type IgnoredHeader } from './tenant-resolver.ts';
export {
  entryOf,
  OTHER_GROUP,
  parseIngestionLimit,
  UsageGroups,
  type IngestionLimit,
  type Sampling,
  type UsageGroup,
} from './usage-limits.ts';
