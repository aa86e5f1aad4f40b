import { formatSelector, KilnError, readConditions, type Condition } from '@kiln/model';

/** A selector as typed, read: its conditions, or why it is none. */
export type ReadSelector =
  | { readonly ok: true; readonly text: string; readonly conditions: readonly Condition[] }
  | {
      readonly ok: false;
      readonly message: string;
      /** Where reading stopped, in UTF-16 units; undefined when it is not known. */
      readonly at: number | undefined;
    };

/** Reads a selector as the server does, but for regexes, whose engine is too large to load; braces around it may be left out, and nothing at all means everything. */
export function readSelector(typed: string): ReadSelector {
  const text = braced(typed);
  try {
    return { ok: true, text, conditions: readConditions(text) };
  } catch (error) {
    const { message } = KilnError.from(error);
    const position = /at character (\d+)/.exec(message)?.[1];
    const added = text.length === typed.trim().length ? typed.indexOf(text) : -1;
    return { ok: false, message, at: position === undefined ? undefined : Math.max(0, Number(position) - 1 + added) };
  }
}

function braced(typed: string): string {
  const text = typed.trim();
  if (text === '') return '{}';
  return text.includes('{') || !/[=~]/.test(text) ? text : `{${text}}`;
}

/** The selector of all profiles of a service. */
export function serviceSelector(service: string): string {
  return formatSelector([{ name: 'service_name', op: '=', value: service }]);
}

/** What a label must equal; undefined when the selector does not say so or cannot be read. */
export function valueOf(selector: string, name: string): string | undefined {
  const read = readSelector(selector);
  return read.ok
    ? read.conditions.find((condition) => condition.name === name && condition.op === '=')?.value
    : undefined;
}

/** The selector with a label set to a value, or with no condition on it (undefined). One that cannot be read is replaced. */
export function withValue(selector: string, name: string, value: string | undefined): string {
  const read = readSelector(selector);
  const others = read.ok ? read.conditions.filter((condition) => condition.name !== name) : [];
  const wanted = value === undefined ? [] : [{ name, op: '=' as const, value }];
  const first = name === 'service_name';
  return formatSelector(first ? [...wanted, ...others] : [...others, ...wanted]);
}
