import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';

/** Values of a metric's labels. Bounded sets only: never a tenant, a path or an id that a client chooses. */
export type MetricLabels = Readonly<Record<string, string>>;

export interface CounterMetric {
  add(count?: number, labels?: MetricLabels): void;
}

export interface GaugeMetric {
  set(value: number, labels?: MetricLabels): void;
}

export interface HistogramMetric {
  observe(value: number, labels?: MetricLabels): void;
}

/** How a metric is described; the name carries the unit: `kiln_<service>_<noun>_<unit>`. */
export interface MetricSpec {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

export interface HistogramSpec extends MetricSpec {
  /** Upper bounds, ascending; seconds from 1 ms to 30 s when left out. */
  readonly buckets?: readonly number[];
}

/** Where a role registers what it counts. A name is registered once. */
export interface Metrics {
  counter(spec: MetricSpec): CounterMetric;
  gauge(spec: MetricSpec): GaugeMetric;
  /** A gauge that is asked for its value when somebody reads the metrics. */
  gaugeOf(spec: Omit<MetricSpec, 'labels'>, read: () => number): void;
  histogram(spec: HistogramSpec): HistogramMetric;
}

/** Metrics that can be read back as text. */
export interface MetricsRegistry extends Metrics {
  readonly contentType: string;
  /** All metrics in the Prometheus text format. */
  text(): Promise<string>;
}

export interface MetricsOptions {
  /** Also the process itself: CPU, memory, open files, garbage collection, event loop delay, under `kiln_`. */
  readonly ofProcess: boolean;
}

const secondBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Metrics on a registry of their own. */
export function createMetrics(options: MetricsOptions): MetricsRegistry {
  const registry = new Registry();
  const registers = [registry];
  if (options.ofProcess) {
    // Utilisation of the loop goes into a digest each time it is looked at; ten times a second that was 7 % of a busy main thread.
    collectDefaultMetrics({ register: registry, prefix: 'kiln_', eventLoopUtilizationTimeout: 1_000 });
    // VmData of proc(5): address space that may be written, most of it never touched. Nothing that a reader of the name would think of.
    registry.removeSingleMetric('kiln_process_heap_bytes');
  }
  return {
    counter(spec) {
      const counter = new Counter({ ...base(spec), registers });
      if (spec.labels === undefined) counter.inc(0);
      return { add: (count = 1, labels) => (labels === undefined ? counter.inc(count) : counter.inc(labels, count)) };
    },
    gauge(spec) {
      const gauge = new Gauge({ ...base(spec), registers });
      return { set: (value, labels) => (labels === undefined ? gauge.set(value) : gauge.set(labels, value)) };
    },
    gaugeOf(spec, read) {
      const gauge: Gauge<string> = new Gauge({ ...base(spec), registers, collect: () => gauge.set(read()) });
    },
    histogram(spec) {
      const histogram = new Histogram({ ...base(spec), buckets: [...(spec.buckets ?? secondBuckets)], registers });
      return {
        observe: (value, labels) =>
          labels === undefined ? histogram.observe(value) : histogram.observe(labels, value),
      };
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}

function base(spec: MetricSpec): { name: string; help: string; labelNames: string[] } {
  if (!/^kiln_[a-z0-9_]+$/.test(spec.name))
    throw new Error(`metric name ${spec.name}: must be kiln_ and then a-z 0-9 _`);
  return { name: spec.name, help: spec.help, labelNames: [...(spec.labels ?? [])] };
}

/** Counts nothing; for tests. */
export const noMetrics: Metrics = {
  counter: () => ({ add: () => undefined }),
  gauge: () => ({ set: () => undefined }),
  gaugeOf: () => undefined,
  histogram: () => ({ observe: () => undefined }),
};
