/** Limits of contract §4.2, §4.3 and §6.1 under their YAML names, with the defaults that Kiln keeps. */
export interface OracleLimits {
  readonly rejectOlderThanMs: number;
  readonly rejectNewerThanMs: number;
  readonly maxProfileSizeBytes: number;
  readonly maxSamples: number;
  readonly maxDepth: number;
  readonly maxLabelsPerSample: number;
  readonly maxStringBytes: number;
  readonly maxLabelNames: number;
  readonly maxLabelNameBytes: number;
  readonly maxLabelValueBytes: number;
  readonly maxSessionsPerSeries: number;
}

export const defaultLimits: OracleLimits = {
  rejectOlderThanMs: 3_600_000,
  rejectNewerThanMs: 600_000,
  maxProfileSizeBytes: 4_194_304,
  maxSamples: 16_000,
  maxDepth: 1_000,
  maxLabelsPerSample: 100,
  maxStringBytes: 65_535,
  maxLabelNames: 30,
  maxLabelNameBytes: 1_024,
  maxLabelValueBytes: 2_048,
  maxSessionsPerSeries: 0,
};

/** A refusal: thrown inside the oracle, answered as a verdict. `reasons` holds every reason that the contract gives for what was found, first the first. */
export class Refusal extends Error {
  readonly reasons: readonly string[];
  readonly code: string;

  constructor(reasons: string | readonly string[], message: string, code = 'invalid_argument') {
    super(message);
    this.reasons = [...new Set([reasons].flat())];
    this.code = code;
  }
}

export type Labels = Map<string, string>;

const bytesOf = (text: string): number => Buffer.byteLength(text);

/** Pairs as sent → labels: empty values are absent, equal copies collapse, copies with another value are refused (§4.2, Kiln §11). */
export function labelsOf(pairs: Iterable<readonly [string, string]>): Labels {
  const labels: Labels = new Map();
  for (const [name, value] of pairs) {
    if (value === '') continue;
    const known = labels.get(name);
    if (known !== undefined && known !== value)
      throw new Refusal('duplicate_label_names', `label ${name} twice: ${known}, ${value}`);
    labels.set(name, value);
  }
  return labels;
}

/** The two default relabel rules of §4.5. */
export function relabel(labels: Labels): void {
  const name = labels.get('__name__') ?? '';
  const delta = /^godeltaprof_(.*)$/su.exec(name);
  if (delta !== null) {
    labels.set('__name__', delta[1]!);
    labels.set('__name_replaced__', name);
    labels.set('__delta__', 'false');
  }
  if (labels.get('__name__') === 'wall' && labels.get('__type__') === 'cpu') labels.set('__name__', 'process_cpu');
}

/** `__session_id__` by §4.6. */
export function reduceSession(labels: Labels, max: number): void {
  const id = labels.get('__session_id__');
  labels.delete('__session_id__');
  if (id === undefined || max <= 0 || !/^[0-9a-f]{16}$/.test(id)) return;
  const reduced = Buffer.from(id, 'hex').readBigUInt64LE() % BigInt(max);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(reduced);
  labels.set('__session_id__', bytes.toString('hex'));
}

/** Every reason of §4.2 to refuse these labels (after sample labels were added), in the table's order. */
export function labelFaults(labels: Labels, limits: OracleLimits): string[] {
  const faults: string[] = [];
  if (labels.size === 0) faults.push('missing_labels');
  if (labels.size > limits.maxLabelNames) faults.push('max_label_names_per_series');
  if ((labels.get('__name__') ?? '') === '') faults.push('invalid_labels');
  if ((labels.get('service_name') ?? '') === '') faults.push('missing_labels');
  for (const [name, value] of labels) {
    if (bytesOf(name) > limits.maxLabelNameBytes) faults.push('label_name_too_long');
    if (bytesOf(value) > limits.maxLabelValueBytes) faults.push('label_value_too_long');
    if (name === '' || !name.isWellFormed() || !value.isWellFormed()) faults.push('invalid_labels');
  }
  return faults;
}

/** Byte order of the UTF-8 forms, as the contract sorts names. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Labels as a list sorted by name. */
export function sortedLabels(labels: Labels): [string, string][] {
  return [...labels].sort(([a], [b]) => compareBytes(a, b));
}
