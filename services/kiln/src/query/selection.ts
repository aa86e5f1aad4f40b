import { ConfigError } from '@kiln/config';
import { KilnError, parseProfileTypeId, parseSelector } from '@kiln/model';
import type { Terminal } from '../terminal.ts';
import { askQuerierJson, type Asker, type ProfileTypesJson } from './querier.ts';
import { furtherBack, hints, rangeText, type Range } from './range.ts';

/** What is asked about: profiles of one type whose labels match a selector. */
export interface Selection {
  readonly profileType: string;
  readonly selector: string;
  /** Unit of the values, for example `nanoseconds`. */
  readonly unit: string;
}

/** How a selection is written, for help texts. */
export const selectionHelp: string =
  `The type is name:sampleType:sampleUnit:periodType:periodUnit, as query types lists them; its name alone is enough where\n` +
  `what the selector matches has one type of it. No selector means all:\n` +
  `  'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="my-app"}'\n\n`;

/**
 * Reads `'<type>{selector}'`, the only word of `action`. Checked here too, so that a typing mistake is told without a server; a name without a type is
 * looked up among the types of the range.
 * @throws ConfigError when it is missing or not alone, KilnError when it does not parse, or when it is a name of no type, or of several.
 */
export async function selectionOf(
  words: readonly string[],
  action: string,
  asker: Asker,
  range: Range,
): Promise<Selection> {
  const [word, ...more] = words;
  if (word === undefined || more.length > 0) {
    const found = word === undefined ? 'nothing' : `${words.length} words`;
    throw new ConfigError(`query ${action} takes '<type>{selector}', the selector in quotes: found ${found}`);
  }
  const brace = word.indexOf('{');
  const named = brace < 0 ? word : word.slice(0, brace);
  const selector = brace < 0 ? '{}' : word.slice(brace);
  parseSelector(selector);
  const profileType = named.includes(':') || named === '' ? named : await onlyTypeOf(named, selector, asker, range);
  return { profileType, selector, unit: unitOf(profileType) };
}

async function onlyTypeOf(name: string, selector: string, asker: Asker, range: Range): Promise<string> {
  const span = { start: range.startMs, end: range.endMs };
  const { profileTypes = [] } = await askQuerierJson<ProfileTypesJson>(asker, 'ProfileTypes', span);
  const ids = profileTypes.flatMap(({ ID, name: own }) => (own === name && ID !== undefined ? [ID] : []));
  const [only] = ids;
  if (only === undefined)
    throw new KilnError(
      'not_found',
      `${name} is the name of no profile type from ${rangeText(range)}: query types lists those that there are`,
    );
  if (ids.length === 1) return only;
  // Other services may have other types of the name.
  const { names = [] } = await askQuerierJson<{ names?: readonly string[] }>(asker, 'LabelValues', {
    name: '__profile_type__',
    matchers: [selector],
    ...span,
  });
  const matched = ids.filter((id) => names.includes(id));
  if (matched.length === 1) return matched[0]!;
  const found = matched.length === 0 ? ids : matched;
  throw new KilnError('invalid_argument', `${name} has ${found.length} types, name one of them: ${found.join(', ')}`);
}

function unitOf(profileType: string): string {
  try {
    return parseProfileTypeId(profileType).unit;
  } catch (error) {
    throw new KilnError('invalid_argument', `${(error as Error).message}: query types lists those that there are`);
  }
}

/** As `tellEmpty`, where samples of spans were looked for: there may be profiles without any. */
export function tellNoSpans({ profileType, selector }: Selection, range: Range, terminal: Terminal): void {
  terminal.err(`no spans in profiles of ${profileType}${selector} from ${rangeText(range)}\n`);
  terminal.err(`--of profiles takes the profiles themselves, whether or not they have spans\n`);
}

/** Tells on stderr that there is nothing, where it was looked for, and what to try. */
export function tellEmpty({ profileType, selector }: Selection, range: Range, terminal: Terminal): void {
  terminal.err(`no profiles of ${profileType}${selector} from ${rangeText(range)}\n`);
  terminal.err(`${hints(`${terminal.command} query types lists what there is`, furtherBack(range))}\n`);
}
