import { setting, type Setting } from '@kiln/config';
import { parseProfileTypeId } from '@kiln/model';
import type { Terminal } from '../terminal.ts';
import { askApi, type Asker } from './querier.ts';
import type { Range } from './range.ts';
import type { Selection } from './selection.ts';

/** `--aggregation` of the questions that are answered by one merged profile. */
export const aggregationSetting: Setting<'string'> = setting({
  key: 'aggregation',
  yaml: null,
  type: 'string',
  default: '',
  choices: ['', 'sum', 'average'],
  meaning:
    'sum is of all profiles of the range; average is per series the mean of its profiles, added up over the series: what is held at an instant. Empty is sum, and tells on stderr where average says more',
});

/** What suits values that are held at an instant, as the page and GET /api/v1/top take them. */
const HELD = /^(inuse_|goroutines?$)/;

/** What was summed, and what tells more. */
const SUMMED = {
  range: ['all profiles in the range', '--aggregation average tells how much, as the page does'],
  step: ['all profiles of a step in each point', '--aggregation average is their mean, of each series with --by'],
  ranges: [
    'all profiles of each range',
    'longer ranges and more profiles have more of it; Compare on the page takes means',
  ],
} as const;

/** Tells on stderr that a sum was taken, which nobody asked for, of what is held at an instant: memory in use, goroutines. */
export function tellSummed(
  { profileType }: Selection,
  aggregation: string,
  terminal: Terminal,
  of: keyof typeof SUMMED = 'range',
): void {
  const { type } = parseProfileTypeId(profileType);
  if (aggregation !== '' || !HELD.test(type)) return;
  const [summed, advice] = SUMMED[of];
  terminal.err(`note: a sum of ${summed}; ${type} is held at an instant: ${advice}\n`);
}

/**
 * `GET /api/v1/{what}` of averages (docs/api.md). Every number comes as its digits.
 * @throws KilnError with the code and the sentence that the server answered.
 */
export function askAverage<T>(
  asker: Asker,
  what: 'flamegraph' | 'top',
  { profileType, selector }: Selection,
  { startMs, endMs, ...more }: Range & { readonly limit?: number; readonly maxNodes?: number },
): Promise<T> {
  const parameters = {
    query: `${profileType}${selector}`,
    from: startMs,
    until: endMs,
    aggregation: 'average',
    ...more,
  };
  const texts = Object.entries(parameters).map(([name, value]): [string, string] => [name, timeDigits(name, value)]);
  return askApi<T>(asker, `/api/v1/${what}?${new URLSearchParams(texts).toString()}`);
}

/** Milliseconds have 13 digits; fewer would be taken for seconds. */
function timeDigits(name: string, value: string | number): string {
  return name === 'from' || name === 'until' ? `${value}000000`.padStart(19, '0') : String(value);
}
