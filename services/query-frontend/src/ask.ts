import type { TenantId } from '@kiln/model';
import type { Answer, AnswerGap, AnswerStats, Query } from '@kiln/query';
import type { UnaryContext } from '@kiln/rpc';
import { together, type ClampedRange, type QueryFrontend } from './query-frontend.ts';
import type { RequestedRange } from './requests.ts';
import { serverTiming } from './server-timing.ts';

/** A call, and whose data it asks for. */
export interface QueryContext extends UnaryContext {
  /** One or more, each once. */
  readonly tenants: readonly TenantId[];
  /** That nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Hears of every query that was answered for the call. */
  took?(query: Query, stats: AnswerStats): void;
}

/** Asks a query of a call, and says in the headers of its answer what it took and what may be missing. */
export async function ask(frontend: QueryFrontend, context: QueryContext, query: Query): Promise<Answer> {
  const [answer] = await askAll(frontend, context, [query]);
  return answer!;
}

/** As `ask`: the answers in the order of the queries; the headers speak of all of them. */
export async function askAll(
  frontend: QueryFrontend,
  context: QueryContext,
  queries: readonly Query[],
): Promise<Answer[]> {
  const { tenants, signal } = context;
  const answers = await Promise.all(queries.map((query) => frontend.query(tenants, query, signal)));
  for (const [i, { stats }] of answers.entries()) context.took?.(queries[i]!, stats);
  const gaps = answers.flatMap((answer) => answer.gaps);
  if (answers.length > 0)
    context.setHeader('server-timing', serverTiming(answers.map(({ stats }) => stats).reduce(together)));
  if (gaps.length > 0) context.setHeader('x-kiln-partial', gapsText(gaps));
  return answers;
}

/** The range of a call, within limits. An answer to less than was asked for says so in its headers. @throws KilnError as `QueryFrontend.selectRange`. */
export function selectRange(
  frontend: QueryFrontend,
  context: QueryContext,
  asked: RequestedRange,
): ClampedRange | undefined {
  return frontend.selectRange(context.tenants, told(frontend, context, asked));
}

export function told(frontend: QueryFrontend, context: QueryContext, asked: RequestedRange): RequestedRange {
  const note = frontend.leftOut(context.tenants, asked);
  if (note !== undefined) context.setHeader('x-kiln-note', note);
  return asked;
}

const GAPS_SHOWN = 16;
const GAP_LENGTH = 200;

/** What may be missing, as a header: clients refuse one that is long, and a header has no text but ASCII. */
function gapsText(gaps: readonly AnswerGap[]): string {
  const shown = gaps.slice(0, GAPS_SHOWN).map((gap) => {
    const what = 'log' in gap ? `log ${gap.log}, offsets (${gap.after}, ${gap.upTo}]` : gap.object;
    return `${what}: ${gap.reason}`.slice(0, GAP_LENGTH).replaceAll(/[^ -~]/g, '?');
  });
  return [...shown, ...(gaps.length > GAPS_SHOWN ? [`and ${gaps.length - GAPS_SHOWN} more`] : [])].join('; ');
}
