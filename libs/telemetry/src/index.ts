export {
  createLogger,
  logLevels,
  silentLogger,
  type LogFields,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from './logger.ts';
export {
  createMetrics,
  noMetrics,
  type CounterMetric,
  type GaugeMetric,
  type HistogramMetric,
  type HistogramSpec,
  type MetricLabels,
  type Metrics,
  type MetricsOptions,
  type MetricsRegistry,
  type MetricSpec,
} from './metrics.ts';
export { noTelemetry, type Telemetry } from './telemetry.ts';
