export type { DynamicModule } from '@nestjs/common';
export { httpStatusOf, sendError } from './http-error.ts';
export type { BuildInfo, ConfigPages } from './operations.http.ts';
export { httpDefaults, runPlatform, type HttpOptions, type Platform, type PlatformOptions } from './platform.ts';
export type { TlsKeys } from './port.ts';
export { RawGet, RawPost, type RawMethod } from './raw-route.ts';
export { ReadyChecks, type Readiness, type ReadyCheck } from './readiness.ts';
export { WebPage } from './web-page.ts';
