export { acceptedAge, bodyLimitBytes, defaultLimits, limitSettings, type Limits, type LimitsOf } from './limits.ts';
export { readOverrides, TenantLimits, type Overrides } from './overrides.ts';
export { RateLimiter } from './rate-limiter.ts';
export { authSettings, TenantResolver, type AuthConfig, type IgnoredHeader } from './tenant-resolver.ts';
