import { KilnError, labelSet, MARK_SIGN, RelabelRules, type Label, type LabelSet } from '@kiln/model';
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

/** What rewrites labels on their way in (contract/pyroscope.md §4.5). */
export interface Relabeling {
  /** The operator's rules, applied to every series after the labels of its samples are added. */
  readonly rules: RelabelRules;
  /** Where the default rules stand: the names of godeltaprof lose their prefix, and a `wall` profile whose `__type__` is `cpu` is a `process_cpu`. */
  readonly defaults: 'first' | 'last' | 'disabled';
  /** The operator's rules that decide which of a profile's sample types are kept: they see `__type__` and `__unit__` beside the push's labels. */
  readonly sampleTypes: RelabelRules;
}

const NO_RULES = RelabelRules.read([], 'no rules');
const DEFAULT_RELABELING: Relabeling = { rules: NO_RULES, defaults: 'first', sampleTypes: NO_RULES };

/**
 * The labels of one push, by the rules of contract/pyroscope.md §4.1 step 1, §4.2, §4.5 and §4.6: `service_name` filled in, equal copies collapsed,
 * session reduced, relabelled.
 */
export class SeriesLabels {
  /** Whether rules may move a series to another service or name, or drop it. */
  readonly hasRules: boolean;
  readonly #own: ReadonlyMap<string, string>;
  readonly #limits: ProfileLimits;
  readonly #relabeling: Relabeling;
  /** Those of the push that were found sound: not looked at again for each series of its samples. */
  #sound: ReadonlyMap<string, string> = new Map();

  /** @throws KilnError `invalid_argument` for a name with two values. */
  constructor(pushed: readonly Label[], limits: ProfileLimits, relabeling: Relabeling = DEFAULT_RELABELING) {
    const own = collapse(pushed);
    if (!own.has('service_name')) own.set('service_name', UNKNOWN_SERVICE);
    reduceSession(own, limits.maxSessionsPerSeries);
    this.hasRules = relabeling.rules.length > 0;
    // Without other rules the default ones depend on the push's own labels alone.
    if (!this.hasRules && relabeling.defaults !== 'disabled') applyDefaults(own);
    this.#own = own;
    this.#limits = limits;
    this.#relabeling = relabeling;
  }

  /** The value of a label as pushed, '' when absent. */
  value(name: string): string {
    return this.#own.get(name) ?? '';
  }

  /** Whether the rules for sample types keep one. */
  keepsType(type: string, unit: string): boolean {
    const { sampleTypes } = this.#relabeling;
    return (
      sampleTypes.length === 0 || sampleTypes.apply(new Map([...this.#own, ['__type__', type], ['__unit__', unit]]))
    );
  }

  /**
   * The labels under which samples with these labels are stored; of a name in both the push's value counts. Undefined when a rule drops them.
   * @throws KilnError `invalid_argument` with a reason of §4.2.
   */
  with(sample: readonly Label[]): LabelSet | undefined {
    const limits = this.#limits;
    const merged = new Map<string, string>();
    // Of a sample label that comes twice the last value counts.
    for (const { name, value } of sample) merged.set(name, value);
    for (const [name, value] of merged) if (value === '') merged.delete(name);
    for (const [name, value] of this.#own) merged.set(name, value);
    if (!this.#own.has(SESSION)) reduceSession(merged, limits.maxSessionsPerSeries);
    if (this.hasRules && !this.#relabel(merged)) return undefined;
    checkSet(merged, this.#sound, limits);
    if (!this.hasRules) this.#sound = this.#own;
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

  #relabel(labels: Map<string, string>): boolean {
    const { rules, defaults } = this.#relabeling;
    if (defaults === 'first') applyDefaults(labels);
    if (!rules.apply(labels)) return false;
    if (defaults === 'last') applyDefaults(labels);
    return true;
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

function applyDefaults(labels: Map<string, string>): void {
  const name = labels.get('__name__') ?? '';
  if (name.startsWith(DELTA_PREFIX)) {
    labels.set('__name_replaced__', name);
    labels.set('__delta__', 'false');
    if (name === DELTA_PREFIX) labels.delete('__name__');
    else labels.set('__name__', name.slice(DELTA_PREFIX.length));
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
  if (labels.get('__name__')?.includes(MARK_SIGN) === true)
    throw refuse('invalid_labels', 'label __name__ is not valid: it holds a zero byte, which is a sign of the storage');
  if (labels.get('__name__')?.includes(':') === true) {
    throw refuse(
      'invalid_labels',
      `label __name__ is ${show(labels.get('__name__')!)}: a colon is not allowed in it, because colons part it from the value type in the id of a profile type`,
    );
  }
  if (!labels.has('__name__')) {
    throw refuse('invalid_labels', 'label __name__ is missing: it names the kind of profile, for example process_cpu');
  }
  if (!labels.has('service_name'))
    throw refuse('missing_labels', 'label service_name is missing: a relabelling rule removes it');
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
