import type { RE2JS } from 're2js';

/** What a template is filled from: a match of a rule's regex. */
export interface Groups {
  /** What a group matched; null when it took no part. 0 is the whole. */
  group(number: number): string | null;
}

/** A text with references to groups of a regex, as Go's `Expand` reads it: `$1`, `${1}`, `$name`, `${name}`, `$$` for a dollar. */
export class RelabelTemplate {
  /** Texts and numbers of groups, in order. */
  readonly #parts: readonly (string | number)[];

  /** A reference to a group that the regex lacks is empty; a dollar that begins no reference is itself. */
  constructor(template: string, regex: RE2JS) {
    const named = regex.namedGroups();
    const parts: (string | number)[] = [];
    let from = 0;
    for (const match of template.matchAll(REFERENCE)) {
      parts.push(template.slice(from, match.index));
      from = match.index + match[0].length;
      const [, dollar, braced, plain] = match;
      if (dollar !== undefined) parts.push('$');
      else parts.push(groupOf((braced ?? plain)!, named, regex.groupCount()));
    }
    parts.push(template.slice(from));
    this.#parts = parts.filter((part) => part !== '');
  }

  /** The text when it refers to nothing. */
  get plain(): string | undefined {
    const texts = this.#parts.filter((part) => typeof part === 'string');
    return texts.length === this.#parts.length ? texts.join('') : undefined;
  }

  fill(groups: Groups): string {
    let text = '';
    for (const part of this.#parts) text += typeof part === 'string' ? part : (groups.group(part) ?? '');
    return text;
  }
}

/** A name is as long as it can be: `$1x` means the group named `1x`. */
const REFERENCE = /\$(?:(\$)|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu;

function groupOf(name: string, named: Readonly<Record<string, number>>, count: number): number | string {
  const number = /^\d+$/.test(name) ? Number(name) : Object.hasOwn(named, name) ? named[name]! : -1;
  return number >= 0 && number <= count ? number : '';
}
