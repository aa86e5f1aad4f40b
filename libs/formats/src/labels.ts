import { KilnError, labelSet, type Label, type LabelSet } from '@kiln/model';
import type { ProfileLimits } from './limits.ts';

/** Labels that the server derives when asked; what a client sends under these names would lie. */
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

/** The labels of a push, `service_name` filled in (contract/pyroscope.md §4.1 step 1). Sorted; copies stay for `checkLabels` to judge. */
export function completeLabels(labels: readonly Label[]): LabelSet {
  const hasService = labels.some(({ name, value }) => name === 'service_name' && value !== '');
  const kept = hasService
    ? labels
    : [...labels.filter(({ name }) => name !== 'service_name'), { name: 'service_name', value: UNKNOWN_SERVICE }];
  return labelSet(kept);
}

/**
 * The labels under which a series is stored: sample labels added (the series' own win), default relabelling, sessions, rules of contract/pyroscope.md
 * §4.2, §4.5 and §4.6.
 * @param pushed from `completeLabels`.
 * @throws KilnError `invalid_argument` with a reason of §4.3.
 */
export function seriesLabels(pushed: LabelSet, sample: readonly Label[], limits: ProfileLimits): LabelSet {
  const merged = new Map<string, string>();
  for (const { name, value } of sample) if (value !== '') merged.set(name, value);
  for (const { name, value } of collapse(pushed)) merged.set(name, value);
  relabel(merged);
  const labels = labelSet(Array.from(merged, ([name, value]) => ({ name, value })));
  checkLabels(labels, limits);
  return labelSet(store(labels, limits));
}

/** Equal copies of a label are one; a different value is an error: neither can be preferred. */
function collapse(labels: LabelSet): Label[] {
  const kept: Label[] = [];
  for (const label of labels) {
    const last = kept.at(-1);
    if (last?.name !== label.name) kept.push(label);
    else if (last.value !== label.value) throw duplicate(label.name, last.value, label.value);
  }
  return kept;
}

/** The default rules: godeltaprof's names lose their prefix, and a wall profile of CPU time is a CPU profile. */
function relabel(labels: Map<string, string>): void {
  const name = labels.get('__name__') ?? '';
  if (name.startsWith(DELTA_PREFIX)) {
    labels.set('__name_replaced__', name);
    labels.set('__delta__', 'false');
    labels.set('__name__', name.slice(DELTA_PREFIX.length));
  }
  if (labels.get('__name__') === 'wall' && labels.get('__type__') === 'cpu') {
    labels.set('__name_replaced__', 'wall');
    labels.set('__name__', 'process_cpu');
  }
}

/**
 * Checks a label set by contract/pyroscope.md §4.2.
 * @throws KilnError `invalid_argument` naming the label, what was found and the limit.
 */
export function checkLabels(labels: LabelSet, limits: ProfileLimits): void {
  const value = (wanted: string): string => labels.find(({ name }) => name === wanted)?.value ?? '';
  if (labels.length === 0) throw refuse('missing_labels', 'a profile needs labels: found none');
  if (limits.maxLabelNamesPerSeries > 0 && labels.length > limits.maxLabelNamesPerSeries) {
    throw refuse(
      'max_label_names_per_series',
      `too many labels: ${labels.length} with those of the samples and the server, limit ${limits.maxLabelNamesPerSeries} (max_label_names_per_series)`,
    );
  }
  if (value('__name__') === '')
    throw refuse('invalid_labels', 'label __name__ is missing: it names the kind of profile, for example process_cpu');
  if (value('service_name') === '') throw refuse('missing_labels', 'label service_name is missing');
  for (const label of labels) checkLabel(label, limits);
}

const legacyName = /^[a-zA-Z_.][a-zA-Z0-9_.]*$/;

function checkLabel({ name, value }: Label, limits: ProfileLimits): void {
  const shown = JSON.stringify(name.slice(0, 80));
  checkLength('label name', shown, name, limits.maxLabelNameLength, 'max_label_name_length', 'label_name_too_long');
  checkLength(
    'label value',
    `of ${shown}`,
    value,
    limits.maxLabelValueLength,
    'max_label_value_length',
    'label_value_too_long',
  );
  if (name === '' || !name.isWellFormed())
    throw refuse('invalid_labels', `label name ${shown} is not valid: it must be UTF-8 and not empty`);
  if (!limits.disableLabelSanitization && !legacyName.test(name)) {
    throw refuse(
      'invalid_labels',
      `label name ${shown} is not valid: letters, digits, _ and . are (disable_label_sanitization accepts any UTF-8)`,
    );
  }
  if (!value.isWellFormed()) throw refuse('invalid_labels', `label value of ${shown} is not valid UTF-8`);
}

function checkLength(what: string, whose: string, text: string, limit: number, setting: string, reason: string): void {
  if (limit === 0 || text.length * 3 <= limit) return;
  const length = utf8Length(text);
  if (length > limit) throw refuse(reason, `${what} ${whose} too long: ${length} bytes, limit ${limit} (${setting})`);
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** What is left of checked labels when what is not stored is taken out. */
function store(labels: LabelSet, limits: ProfileLimits): Label[] {
  const kept = new Map<string, string>();
  for (const { name, value } of labels) {
    if (value === '' || DERIVED.has(name) || SPOKEN.has(name)) continue;
    const stored = limits.disableLabelSanitization ? name : name.replaceAll('.', '_');
    const session = name === SESSION ? reducedSession(value, limits.maxSessionsPerSeries) : value;
    if (session === undefined) continue;
    const other = kept.get(stored);
    if (other !== undefined && other !== session) throw duplicate(stored, other, session);
    kept.set(stored, session);
  }
  return Array.from(kept, ([name, value]) => ({ name, value }));
}

/** The session id modulo the limit; undefined drops the label (contract/pyroscope.md §4.6): 16 hex digits are 8 bytes, little endian. */
function reducedSession(value: string, sessions: number): string | undefined {
  if (sessions === 0 || !/^[0-9a-f]{16}$/.test(value)) return undefined;
  return swapBytes((BigInt(`0x${swapBytes(value)}`) % BigInt(sessions)).toString(16).padStart(16, '0'));
}

function swapBytes(hex: string): string {
  return hex.match(/../g)!.toReversed().join('');
}

function duplicate(name: string, one: string, other: string): KilnError {
  const [a, b] = [one, other].map((value) => JSON.stringify(value.slice(0, 80)));
  return refuse('duplicate_label_names', `label ${JSON.stringify(name)} has two values: ${a} and ${b}`);
}

function refuse(reason: string, message: string): KilnError {
  return new KilnError('invalid_argument', message, { reason });
}
