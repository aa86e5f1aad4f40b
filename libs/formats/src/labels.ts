import { KilnError, labelSet, type Label, type LabelSet } from '@kiln/model';
import type { ProfileLimits } from './limits.ts';

/** Labels that the server derives when asked; what a client sends under these names would lie, so it is not stored. */
const DERIVED = new Set([
  '__type__',
  '__unit__',
  '__period_type__',
  '__period_unit__',
  '__profile_type__',
  '__service_name__',
]);
/** Labels that speak to the server and are not stored. */
const SPOKEN = new Set(['__delta__', '__order__']);
const SESSION = '__session_id__';
const DELTA_PREFIX = 'godeltaprof_';
const UNKNOWN_SERVICE = 'unknown_service';

/**
 * Checks labels as pushed, before a profile is parsed: what `normalizePprof` would say of them when the samples add none.
 * @throws KilnError `invalid_argument` with a reason of contract/pyroscope.md §4.2.
 */
export function checkLabels(labels: readonly Label[], limits: ProfileLimits): void {
  new SeriesLabels(labels, limits).with([]);
}

/**
 * The labels of one push, by the rules of contract/pyroscope.md §4.1 step 1, §4.2, §4.5 and §4.6: `service_name` filled in, equal copies collapsed,
 * default relabelling, session reduced.
 */
export class SeriesLabels {
  readonly service: string;
  /** `__name__` after relabelling. */
  readonly name: string;
  readonly #own: ReadonlyMap<string, string>;
  readonly #limits: ProfileLimits;
  /** Those of the push that were found sound: not looked at again for each series of its samples. */
  #sound: ReadonlyMap<string, string> = new Map();

  /** @throws KilnError `invalid_argument` for a name with two values. */
  constructor(pushed: readonly Label[], limits: ProfileLimits) {
    const own = collapse(pushed);
    if (!own.has('service_name')) own.set('service_name', UNKNOWN_SERVICE);
    reduceSession(own, limits.maxSessionsPerSeries);
    relabel(own);
    this.#own = own;
    this.#limits = limits;
    this.service = own.get('service_name')!;
    this.name = own.get('__name__') ?? '';
  }

  /** The value of a label as pushed, '' when absent. */
  value(name: string): string {
    return this.#own.get(name) ?? '';
  }

  /**
   * The labels under which samples with these labels are stored; of a name in both the push's value counts.
   * @throws KilnError `invalid_argument` with a reason of §4.2.
   */
  with(sample: readonly Label[]): LabelSet {
    const limits = this.#limits;
    const merged = new Map<string, string>();
    // Of a sample label that comes twice the last value counts.
    for (const { name, value } of sample) merged.set(name, value);
    for (const [name, value] of merged) if (value === '') merged.delete(name);
    for (const [name, value] of this.#own) merged.set(name, value);
    if (!this.#own.has(SESSION)) reduceSession(merged, limits.maxSessionsPerSeries);
    checkSet(merged, this.#sound, limits);
    this.#sound = this.#own;
    const stored = new Map<string, string>();
    for (const [name, value] of merged) {
      if (DERIVED.has(name) || SPOKEN.has(name)) continue;
      const key = limits.disableLabelSanitization ? name : name.replaceAll('.', '_');
      const other = stored.get(key);
      if (other !== undefined && other !== value) throw duplicate(key, other, value);
      stored.set(key, value);
    }
    return labelSet(Array.from(stored, ([name, value]) => ({ name, value })));
  }
}

/** An empty value is an absent label, equal copies are one; a second value is an error: neither can be preferred. */
function collapse(labels: readonly Label[]): Map<string, string> {
  const kept = new Map<string, string>();
  for (const { name, value } of labels) {
    if (value === '') continue;
    const other = kept.get(name);
    if (other !== undefined && other !== value) throw duplicate(name, other, value);
    kept.set(name, value);
  }
  return kept;
}

/** The default rules: godeltaprof's names lose their prefix, and a wall profile that says it counts CPU time is a CPU profile. */
function relabel(labels: Map<string, string>): void {
  const name = labels.get('__name__') ?? '';
  if (name.startsWith(DELTA_PREFIX)) {
    labels.set('__name_replaced__', name);
    labels.set('__delta__', 'false');
    labels.set('__name__', name.slice(DELTA_PREFIX.length));
  }
  if (labels.get('__name__') === 'wall' && labels.get('__type__') === 'cpu') labels.set('__name__', 'process_cpu');
}

/** The session id modulo the limit, else none (contract/pyroscope.md §4.6): its 16 hex digits are 8 bytes, little endian. */
function reduceSession(labels: Map<string, string>, sessions: number): void {
  const value = labels.get(SESSION);
  labels.delete(SESSION);
  if (value === undefined || sessions === 0 || !/^[0-9a-f]{16}$/.test(value)) return;
  const reduced = BigInt(`0x${swapBytes(value)}`) % BigInt(sessions);
  labels.set(SESSION, swapBytes(reduced.toString(16).padStart(16, '0')));
}

function swapBytes(hex: string): string {
  return hex.match(/../g)!.toReversed().join('');
}

function checkSet(
  labels: ReadonlyMap<string, string>,
  sound: ReadonlyMap<string, string>,
  limits: ProfileLimits,
): void {
  const most = limits.maxLabelNamesPerSeries;
  if (most > 0 && labels.size > most) {
    throw refuse(
      'max_label_names_per_series',
      `too many labels: ${labels.size} with those of the samples and the server, limit ${most} (max_label_names_per_series)`,
    );
  }
  if (!labels.has('__name__')) {
    throw refuse('invalid_labels', 'label __name__ is missing: it names the kind of profile, for example process_cpu');
  }
  for (const [name, value] of labels) if (sound.get(name) !== value) checkLabel(name, value, limits);
}

const legacyName = /^[a-zA-Z_.][a-zA-Z0-9_.]*$/;

function checkLabel(name: string, value: string, limits: ProfileLimits): void {
  const { maxLabelNameLength, maxLabelValueLength } = limits;
  if (isLonger(name, maxLabelNameLength)) {
    throw refuse(
      'label_name_too_long',
      `label name ${show(name)} too long: ${utf8Length(name)} bytes, limit ${maxLabelNameLength} (max_label_name_length)`,
    );
  }
  if (isLonger(value, maxLabelValueLength)) {
    throw refuse(
      'label_value_too_long',
      `label value of ${show(name)} too long: ${utf8Length(value)} bytes, limit ${maxLabelValueLength} (max_label_value_length)`,
    );
  }
  if (name === '' || !name.isWellFormed()) {
    throw refuse('invalid_labels', `label name ${show(name)} is not valid: it must be UTF-8 and not empty`);
  }
  if (!limits.disableLabelSanitization && !legacyName.test(name)) {
    throw refuse(
      'invalid_labels',
      `label name ${show(name)} is not valid: allowed are letters, digits, _ and ., no digit first (disable_label_sanitization: true allows any UTF-8)`,
    );
  }
  if (!value.isWellFormed()) throw refuse('invalid_labels', `label value of ${show(name)} is not valid UTF-8`);
}

/** A UTF-16 code unit is at most three bytes: most texts need not be encoded to know. */
function isLonger(text: string, limit: number): boolean {
  return limit > 0 && text.length * 3 > limit && utf8Length(text) > limit;
}

function utf8Length(text: string): number {
  return encoder.encode(text).length;
}

const encoder = new TextEncoder();

function show(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function duplicate(name: string, one: string, other: string): KilnError {
  return refuse('duplicate_label_names', `label ${show(name)} has two values: ${show(one)} and ${show(other)}`);
}

function refuse(reason: string, message: string): KilnError {
  return new KilnError('invalid_argument', message, { reason });
}
