import { nearest } from '@kiln/config';
import { parseTimeParam, readTimeParam, TIME_FORMS } from '@kiln/formats';
import { formatSelector, KilnError, parseProfileTypeId, parseSelector } from '@kiln/model';

/** Profiles of one type whose labels match, as QuerierService is asked for them. */
export interface TypedSelector {
  readonly profileTypeID: string;
  readonly labelSelector: string;
}

/**
 * Reads `<profile type id>{selector}`, which is a selector whose `__name__` equals the id (contract/pyroscope.md §5.9).
 * @param name of the parameter, for sentences.
 * @throws KilnError `invalid_argument` when it is missing, does not parse or names no profile type.
 */
export function typedSelector(parameters: URLSearchParams, name: string): TypedSelector {
  const { metric, labelSelector } = namedSelector(parameters, name);
  parseProfileTypeId(metric);
  return { profileTypeID: metric, labelSelector };
}

/** As `typedSelector`, but the name may be any: the caller says what it is. */
export function namedSelector(parameters: URLSearchParams, name: string): { metric: string; labelSelector: string } {
  const text = parameters.get(name) ?? '';
  if (text === '') {
    throw new KilnError(
      'invalid_argument',
      `${name} is missing: want <profile type>{selector}, for example process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="my-app"}`,
    );
  }
  const matchers = parseSelector(text);
  const named = matchers.find((matcher) => matcher.name === '__name__' && matcher.op === '=');
  if (named === undefined) {
    throw new KilnError(
      'invalid_argument',
      `${name} is ${JSON.stringify(text.slice(0, 200))}, which names no profile type: want one before the braces, for example process_cpu:cpu:nanoseconds:cpu:nanoseconds{…}`,
    );
  }
  return { metric: named.value, labelSelector: formatSelector(matchers.filter((matcher) => matcher !== named)) };
}

/** Start and end as QuerierService takes them: Unix milliseconds. */
export interface TimeFields {
  readonly start: bigint;
  readonly end: bigint;
}

/**
 * Reads two times in any form of contract/pyroscope.md §5.10, which has no error case; a missing one is `missing`, which is in the same form.
 * @param names of the parameters, of start and end.
 */
export function timeFields(
  parameters: URLSearchParams,
  names: readonly [start: string, end: string],
  nowMs: number,
  missing: readonly [start: string, end: string] = ['now', 'now'],
): TimeFields {
  const nowNanos = BigInt(nowMs) * NANOS_PER_MS;
  const [start, end] = names.map((name, i) => parseTimeParam(parameters.get(name) || missing[i], nowNanos));
  return { start: start! / NANOS_PER_MS, end: end! / NANOS_PER_MS };
}

/** The times of routes that do not need any, where none are given. */
export const RECENT = ['now-1h', 'now'] as const;

/**
 * The times of Kiln's own routes, `from` and `until`: the last hour unless told, in forms that mean something.
 * @throws KilnError `invalid_argument` for another text, which Pyroscope would take for now.
 */
export function recentTimes(parameters: URLSearchParams, nowMs: number): TimeFields {
  for (const name of ['from', 'until']) {
    const text = parameters.get(name) ?? '';
    if (text !== '' && readTimeParam(text, BigInt(nowMs) * NANOS_PER_MS) === undefined)
      throw new KilnError('invalid_argument', `${name} is ${JSON.stringify(text.slice(0, 100))}: want ${TIME_FORMS}`);
  }
  return timeFields(parameters, ['from', 'until'], nowMs, RECENT);
}

const NANOS_PER_MS = 1_000_000n;

/**
 * As `maxNodesField`, for Kiln's own routes.
 * @throws KilnError `invalid_argument` for a text that is no whole number.
 */
export function ownMaxNodes(parameters: URLSearchParams): bigint | undefined {
  const name = parameters.has('maxNodes') ? 'maxNodes' : 'max-nodes';
  const text = parameters.get(name) ?? '';
  if (text === '') return undefined;
  if (/^\d{1,30}$/.test(text)) return BigInt(text);
  throw new KilnError(
    'invalid_argument',
    `${name} is ${JSON.stringify(text.slice(0, 100))}: want a whole number, 0 for the default`,
  );
}

/** @throws KilnError `invalid_argument` for a parameter that Kiln's own route does not have: misspelt, it would be passed over. */
export function checkNames(parameters: URLSearchParams, path: string, names: readonly string[]): void {
  const unknown = [...parameters.keys()].find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const meant = nearest(unknown, names);
  throw new KilnError(
    'invalid_argument',
    `${path} has no parameter ${JSON.stringify(unknown.slice(0, 100))}, only ${names.join(', ')}${meant === undefined ? '' : `: did you mean ${meant}?`}`,
  );
}

/** `maxNodes`, or `max-nodes`; undefined when it is no number. Limits are the query's own. */
export function maxNodesField(parameters: URLSearchParams): { maxNodes?: bigint } {
  const text = parameters.get('maxNodes') ?? parameters.get('max-nodes') ?? '';
  return /^-?\d{1,18}$/.test(text) ? { maxNodes: BigInt(text) } : {};
}
