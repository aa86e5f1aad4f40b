import { silentLogger, type Logger } from './logger.ts';
import { noMetrics, type Metrics } from './metrics.ts';

/** What a role says about itself: lines and numbers. Handed in by constructor. */
export interface Telemetry {
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Says nothing; for tests. */
export const noTelemetry: Telemetry = { log: silentLogger, metrics: noMetrics };
