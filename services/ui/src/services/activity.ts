import { formatSelector } from '@kiln/model';
import { askTimeSeries, type TimeSeries } from '../api/calls.ts';
import type { Answer, Client, Note } from '../api/client.ts';
import { aggregationOf, kindTitle } from '../api/kinds.ts';
import { shortText } from '../app/short-text.ts';
import type { TimeRange } from '../app/time-range.ts';
import { valueOf } from '../explore/selector-text.ts';

/** What services sent over time. */
export interface Activity {
  /** By kind, then by service. */
  readonly series: ReadonlyMap<string, ReadonlyMap<string, TimeSeries>>;
  /** Of which services, or of which kinds as a whole, it is not known, and why. */
  readonly refused: readonly Refusal[];
}

interface Refusal {
  readonly kind: string;
  /** Undefined = all that have the kind. */
  readonly service: string | undefined;
  readonly message: string;
}

/** Services of a kind that are left out one after the other, each after a question: of more, the kind as a whole is given up. */
const MOST_LEFT_OUT = 8;
/** Answers are doubles, to which the largest int64 is this. */
const INT64_END = 2 ** 63;

/**
 * Asks for the values over time of the kinds. A service whose sum the server refuses is left out, the others are not: the sentence of the server
 * names the group (`{service_name="…"}`). Not for a server that does not answer at all.
 */
export async function askActivity(
  client: Client,
  kinds: readonly string[],
  range: TimeRange,
  stepMs: number,
  signal: AbortSignal,
): Promise<Answer<Activity>> {
  const series = new Map<string, ReadonlyMap<string, TimeSeries>>();
  const refused: Refusal[] = [];
  const notes: Note[] = [];
  for (const kind of kinds) {
    const ask = { stepMs, groupBy: 'service_name', aggregation: aggregationOf(kind) };
    const leftOut: string[] = [];
    for (;;) {
      const selector = formatSelector(leftOut.map((value) => ({ name: 'service_name', op: '!=', value })));
      // One after the other: the server serves the queries of a tenant in turn, and a page should not fill its queue.
      const answer = await askTimeSeries(client, { kind, selector, range }, ask, signal);
      if (answer.ok) {
        series.set(kind, new Map(answer.value.map((one) => [one.group, one])));
        if (ask.aggregation === 'sum') refused.push(...tooLarge(kind, answer.value));
        notes.push(...answer.notes);
        break;
      }
      const { trouble } = answer;
      if (trouble.kind !== 'refused' && trouble.kind !== 'fault') return answer;
      const named = serviceIn(trouble.message);
      const service = leftOut.length < MOST_LEFT_OUT && !leftOut.includes(named ?? '') ? named : undefined;
      refused.push({ kind, service, message: trouble.message });
      if (service === undefined) break;
      leftOut.push(service);
    }
  }
  return { ok: true, value: { series, refused }, notes };
}

/** The service that a refusal names. */
function serviceIn(message: string): string | undefined {
  const [selector] = /\{service_name="(?:[^"\\]|\\.)*"\}/.exec(message) ?? [];
  return selector === undefined ? undefined : valueOf(selector, 'service_name');
}

/** What the server would refuse as one sum, this page does not add up either. */
function tooLarge(kind: string, series: readonly TimeSeries[]): Refusal[] {
  const message = 'its values of this range add up to more than int64 holds: look at a shorter one';
  return series
    .filter(({ values }) => sumOf(values) > INT64_END)
    .map(({ group }) => ({ kind, service: group, message }));
}

/** The refusal that a service's row shows, of the kind that it shows. */
export function refusalOf(activity: Activity, kind: string, service: string): Refusal | undefined {
  const ofKind = activity.refused.filter((refusal) => refusal.kind === kind);
  return (
    ofKind.find((refusal) => refusal.service === service) ??
    (activity.series.has(kind) ? undefined : ofKind.find((refusal) => refusal.service === undefined))
  );
}

/** A refusal as a sentence that names whom it concerns. */
export function refusalText({ kind, service, message }: Refusal): string {
  const whose = service === undefined ? 'all services' : service === '' ? '(no service name)' : shortText(service, 60);
  return `${kindTitle(kind)} of ${whose} is not shown: ${message}`;
}

export function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
