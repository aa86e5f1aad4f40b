import { KilnError } from '@kiln/model';

/** What `/ingest` may say of a sample type; of all it may hold, only the display name matters. */
export type SampleTypeConfig = ReadonlyMap<string, { readonly displayName: string }>;

const defaults: SampleTypeConfig = new Map(
  Object.entries({ samples: 'cpu', goroutine: 'goroutines', contentions: 'mutex_count', delay: 'mutex_duration' }).map(
    ([type, displayName]) => [type, { displayName }],
  ),
);

/** @throws KilnError `invalid_argument` when the part is not a JSON object of objects. */
export function parseSampleTypeConfig(json: string): SampleTypeConfig {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw bad((error as Error).message);
  }
  if (!isObject(value)) throw bad('it is not an object');
  return new Map(
    Object.entries(value).map(([type, entry]) => {
      if (!isObject(entry)) throw bad(`the entry of ${JSON.stringify(type.slice(0, 80))} is not an object`);
      const displayName = entry['display-name'];
      return [type, { displayName: typeof displayName === 'string' ? displayName : '' }];
    }),
  );
}

/** The rules of contract/pyroscope.md §3.3, first match wins; the name that contains or equals a word gives the metric. */
const metrics: readonly (readonly [(name: string) => boolean, string])[] = [
  [(name) => name.includes('cpu'), 'process_cpu'],
  [(name) => name.includes('alloc_') || name.includes('inuse_') || name === 'space' || name === 'objects', 'memory'],
  [(name) => name.includes('mutex_'), 'mutex'],
  [(name) => name.includes('block_'), 'block'],
  [(name) => name.includes('goroutines'), 'goroutines'],
];

/** `__name__` of a pprof on `/ingest`, from its sample types in order and what the client says of them. */
export function metricNameFor(sampleTypes: readonly string[], config: SampleTypeConfig | undefined): string {
  if (sampleTypes.includes('wall')) return 'wall';
  let last = '';
  for (const type of sampleTypes) {
    const displayName = (config ?? defaults).get(type)?.displayName ?? '';
    last = displayName === '' ? type : displayName;
    const rule = metrics.find(([holds]) => holds(last));
    if (rule !== undefined) return rule[1];
  }
  return last;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(found: string): KilnError {
  return new KilnError('invalid_argument', `sample_type_config is not a JSON object of sample types: ${found}`, {
    reason: 'malformed_profile',
  });
}
