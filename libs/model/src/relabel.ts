import { KilnError } from './errors.ts';
import { md5 } from './md5.ts';
import { readRelabelRule, type RelabelAction, type RelabelRule } from './relabel-rule.ts';
import type { Groups } from './relabel-template.ts';

/** Rules of one list at most. */
const MAX_RULES = 500;
/** UTF-16 units of a name or value that a rule may make: rules that double a value would fill memory with what no limit on labels has seen yet. */
const MAX_TEXT = 65_536;

/** Prometheus' relabelling: rules that rewrite the labels of one series, in order, or drop it. */
export class RelabelRules {
  readonly #rules: readonly RelabelRule[];
  /** The rules as they stand in a file, spelled in one way: `read` makes equal rules of it. */
  readonly tree: readonly unknown[];

  private constructor(rules: readonly RelabelRule[], tree: readonly unknown[]) {
    this.#rules = rules;
    this.tree = tree;
  }

  /**
   * @param tree a list of rules, as parsed from YAML or JSON. @param where names it in sentences.
   * @throws KilnError `invalid_argument` naming the rule, counted from 1, its field, what was found and what is allowed.
   */
  static read(tree: unknown, where: string): RelabelRules {
    if (!Array.isArray(tree)) throw new KilnError('invalid_argument', `${where} must be a list of rules`);
    if (tree.length > MAX_RULES)
      throw new KilnError('invalid_argument', `${where} has ${tree.length} rules, allowed are ${MAX_RULES}`);
    const read = tree.map((one, i) => readRelabelRule(one, `${where}, rule ${i + 1}`));
    return new RelabelRules(
      read.map(({ rule }) => rule),
      read.map((one) => one.tree),
    );
  }

  get length(): number {
    return this.#rules.length;
  }

  /**
   * Rewrites the labels in place. An absent label reads as the empty text, and one that becomes empty is absent.
   * @returns whether the series is kept; what its labels are does not matter when it is not.
   * @throws KilnError `invalid_argument` when a name or value grows beyond all bounds.
   */
  apply(labels: Map<string, string>): boolean {
    for (const rule of this.#rules) if (!actions[rule.action](rule, labels)) return false;
    return true;
  }
}

/** What each action does to the labels; whether it keeps the series. */
const actions: Readonly<Record<RelabelAction, (rule: RelabelRule, labels: Map<string, string>) => boolean>> = {
  keep: (rule, labels) => rule.regex.testExact(sourceOf(rule, labels)),
  drop: (rule, labels) => !rule.regex.testExact(sourceOf(rule, labels)),
  keepequal: (rule, labels) => sourceOf(rule, labels) === (labels.get(rule.target.plain!) ?? ''),
  dropequal: (rule, labels) => sourceOf(rule, labels) !== (labels.get(rule.target.plain!) ?? ''),
  replace: (rule, labels) => {
    const match = matchOf(rule, sourceOf(rule, labels));
    const target = match === undefined ? '' : rule.target.fill(match);
    return target === '' || set(labels, target, rule.replacement.fill(match!));
  },
  hashmod: (rule, labels) => setTarget(rule, labels, String(hashOf(sourceOf(rule, labels)) % rule.modulus)),
  lowercase: (rule, labels) => setTarget(rule, labels, byCodePoint(sourceOf(rule, labels), lower)),
  uppercase: (rule, labels) => setTarget(rule, labels, byCodePoint(sourceOf(rule, labels), upper)),
  labelmap: ({ regex, replacement }, labels) => {
    // All names are those before the rule; in order, so that of two that become one the last wins.
    for (const [name, value] of [...labels].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const match = regex.matcher(name);
      const target = match.matches() ? replacement.fill(match) : '';
      if (target !== '') set(labels, target, value);
    }
    return true;
  },
  labeldrop: ({ regex }, labels) => {
    for (const name of labels.keys()) if (regex.testExact(name)) labels.delete(name);
    return true;
  },
  labelkeep: ({ regex }, labels) => {
    for (const name of labels.keys()) if (!regex.testExact(name)) labels.delete(name);
    return true;
  },
};

function sourceOf({ sourceLabels, separator }: RelabelRule, labels: ReadonlyMap<string, string>): string {
  if (sourceLabels.length === 1) return labels.get(sourceLabels[0]!) ?? '';
  return sourceLabels.map((name) => labels.get(name) ?? '').join(separator);
}

function matchOf({ regex, takesAll }: RelabelRule, text: string): Groups | undefined {
  if (takesAll) return { group: () => text };
  const match = regex.matcher(text);
  return match.matches() ? match : undefined;
}

function setTarget(rule: RelabelRule, labels: Map<string, string>, value: string): boolean {
  return set(labels, rule.target.plain!, value);
}

/** @returns true: a series whose label is set is kept. */
function set(labels: Map<string, string>, name: string, value: string): boolean {
  if (name.length > MAX_TEXT || value.length > MAX_TEXT) {
    throw new KilnError(
      'invalid_argument',
      `a relabelling rule makes label ${JSON.stringify(name.slice(0, 80))} ${Math.max(name.length, value.length)} characters long, allowed are ${MAX_TEXT}`,
      { reason: name.length > MAX_TEXT ? 'label_name_too_long' : 'label_value_too_long' },
    );
  }
  if (value === '') labels.delete(name);
  else labels.set(name, value);
  return true;
}

/** As Go's strings.ToLower and ToUpper: one code point becomes one, so `ß` stays. */
function byCodePoint(text: string, mapped: (char: string) => string): string {
  let out = '';
  for (const char of text) {
    const other = mapped(char);
    if (other.length === String.fromCodePoint(other.codePointAt(0)!).length) out += other;
    else out += char === 'İ' ? 'i' : char;
  }
  return out;
}

const lower = (char: string): string => char.toLowerCase();
const upper = (char: string): string => char.toUpperCase();

/** The last 8 bytes of the MD5, highest first, as Prometheus has it: others shard by the same number. */
function hashOf(text: string): bigint {
  const digest = md5(new TextEncoder().encode(text));
  return new DataView(digest.buffer).getBigUint64(8);
}
