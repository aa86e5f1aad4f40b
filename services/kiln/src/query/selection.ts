import { ConfigError } from '@kiln/config';
import { KilnError, parseProfileTypeId, parseSelector } from '@kiln/model';
import type { Terminal } from '../terminal.ts';
import { rangeText, type Range } from './range.ts';

/** What is asked about: profiles of one type whose labels match a selector. */
export interface Selection {
  readonly profileType: string;
  readonly selector: string;
  /** Unit of the values, for example `nanoseconds`. */
  readonly unit: string;
}

/** How a selection is written, for help texts. */
export const selectionHelp: string =
  `The type is name:sampleType:sampleUnit:periodType:periodUnit, as query types lists them. No selector means all:\n` +
  `  'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="my-app"}'\n\n`;

/**
 * Reads `'<type>{selector}'`, the only word of `action`. Checked here too, so that a typing mistake is told without a server.
 * @throws ConfigError when it is missing or not alone, KilnError when it does not parse.
 */
export function selectionOf(words: readonly string[], action: string): Selection {
  const [word, ...more] = words;
  if (word === undefined || more.length > 0) {
    const found = word === undefined ? 'nothing' : `${words.length} words`;
    throw new ConfigError(`query ${action} takes '<type>{selector}', the selector in quotes: found ${found}`);
  }
  const brace = word.indexOf('{');
  const profileType = brace < 0 ? word : word.slice(0, brace);
  const selector = brace < 0 ? '{}' : word.slice(brace);
  parseSelector(selector);
  return { profileType, selector, unit: unitOf(profileType) };
}

function unitOf(profileType: string): string {
  try {
    return parseProfileTypeId(profileType).unit;
  } catch (error) {
    throw new KilnError('invalid_argument', `${(error as Error).message}: query types lists those that there are`);
  }
}

/** Tells on stderr that there is nothing, where it was looked for, and what to try. */
export function tellEmpty({ profileType, selector }: Selection, range: Range, terminal: Terminal): void {
  terminal.err(`no profiles of ${profileType}${selector} from ${rangeText(range)}\n`);
  terminal.err(`${terminal.command} query types lists what there is; --from now-24h looks further back\n`);
}
