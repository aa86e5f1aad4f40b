import type { RE2JS } from 're2js';
import { KilnError } from './errors.ts';
import { compileRegex } from './matcher.ts';
import { RelabelTemplate } from './relabel-template.ts';

/** What a rule does. */
export type RelabelAction = keyof typeof fieldsOf;

/** One rule, checked and compiled. */
export interface RelabelRule {
  readonly action: RelabelAction;
  readonly sourceLabels: readonly string[];
  readonly separator: string;
  /** Matches whole texts. */
  readonly regex: RE2JS;
  /** The regex is the default, which matches everything and has it as its first group. */
  readonly takesAll: boolean;
  readonly target: RelabelTemplate;
  readonly replacement: RelabelTemplate;
  readonly modulus: bigint;
}

/** The fields that an action looks at; another one in its rule is a mistake. */
const fieldsOf = {
  replace: ['source_labels', 'separator', 'regex', 'target_label', 'replacement'],
  keep: ['source_labels', 'separator', 'regex'],
  drop: ['source_labels', 'separator', 'regex'],
  keepequal: ['source_labels', 'separator', 'target_label'],
  dropequal: ['source_labels', 'separator', 'target_label'],
  hashmod: ['source_labels', 'separator', 'target_label', 'modulus'],
  labelmap: ['regex', 'replacement'],
  labeldrop: ['regex'],
  labelkeep: ['regex'],
  lowercase: ['source_labels', 'separator', 'target_label'],
  uppercase: ['source_labels', 'separator', 'target_label'],
} as const;

const TEXTS = ['separator', 'regex', 'target_label', 'replacement', 'modulus'] as const;
const FIELDS: readonly string[] = ['action', 'source_labels', ...TEXTS];
const ALL = '(.*)';
const needsTarget = new Set<string>(['replace', 'keepequal', 'dropequal', 'hashmod', 'lowercase', 'uppercase']);
/** What Prometheus takes where a rule says nothing. A field that says no more than this is no mistake anywhere. */
const defaults: Readonly<Record<string, string>> = { separator: ';', regex: ALL, replacement: '$1', modulus: '0' };

/**
 * One rule as it stands in a file (https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config).
 * @param where names the rule in sentences.
 * @returns also its tree as it counts: known fields in one order, without those that say the default; a rule without action replaces.
 * @throws KilnError `invalid_argument` naming the field, what was found and what is allowed.
 */
export function readRelabelRule(tree: unknown, where: string): { rule: RelabelRule; tree: Record<string, unknown> } {
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) throw bad(where, 'must hold fields by name');
  const given = tree as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given).find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) throw bad(`${where}, field ${unknown}`, `is unknown: known are ${FIELDS.join(', ')}`);
  const action = readAction(given, where);
  const sourceLabels = readSources(given, where);
  const texts: Record<string, string> = {};
  for (const name of TEXTS) {
    const value = readText(given, name, where);
    if (value !== undefined && value !== defaults[name]) texts[name] = value;
  }
  const own: readonly string[] = fieldsOf[action];
  const foreign = [...(sourceLabels.length > 0 ? ['source_labels'] : []), ...Object.keys(texts)].find(
    (name) => !own.includes(name),
  );
  if (foreign !== undefined)
    throw bad(`${where}, field ${foreign}`, `means nothing to action ${action}: it has ${own.join(', ')}`);
  const { target_label: target = '', separator = ';', regex: pattern = ALL, replacement = '$1', modulus = '0' } = texts;
  if (needsTarget.has(action) && target === '')
    throw bad(`${where}, field target_label`, `is missing: action ${action} needs it`);
  if (action !== 'replace' && target.includes('$'))
    throw bad(`${where}, field target_label`, `is ${show(target)}: only action replace takes references to groups`);
  const regex = compileRegex(`regex of ${where}`, pattern);
  const rule: RelabelRule = {
    action,
    sourceLabels,
    separator,
    regex,
    takesAll: pattern === ALL,
    target: new RelabelTemplate(target, regex),
    replacement: new RelabelTemplate(replacement, regex),
    modulus: action === 'hashmod' ? readModulus(modulus, where) : 0n,
  };
  return { rule, tree: { action, ...(sourceLabels.length > 0 && { source_labels: sourceLabels }), ...texts } };
}

function readAction(given: Readonly<Record<string, unknown>>, where: string): RelabelAction {
  const text = (readText(given, 'action', where) ?? 'replace').toLowerCase();
  if (isAction(text)) return text;
  throw bad(`${where}, field action`, `is ${show(text)}, must be one of ${Object.keys(fieldsOf).join(', ')}`);
}

function isAction(text: string): text is RelabelAction {
  return Object.hasOwn(fieldsOf, text);
}

function readSources(given: Readonly<Record<string, unknown>>, where: string): readonly string[] {
  const value = given['source_labels'] ?? [];
  if (Array.isArray(value) && value.every(isName)) return value;
  throw bad(`${where}, field source_labels`, 'must be a list of label names');
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.isWellFormed();
}

function readText(given: Readonly<Record<string, unknown>>, name: string, where: string): string | undefined {
  const value = given[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'string' && value.isWellFormed()) return value;
  throw bad(`${where}, field ${name}`, 'must be a text');
}

function readModulus(text: string, where: string): bigint {
  const modulus = /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
  if (modulus >= 1n && modulus < 2n ** 64n) return modulus;
  throw bad(`${where}, field modulus`, `is ${show(text)}, must be a whole number from 1 to 2^64 - 1`);
}

function bad(where: string, sentence: string): KilnError {
  return new KilnError('invalid_argument', `${where} ${sentence}`);
}

function show(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
