import { amountText, KilnError, parseProfileTypeId } from '@kiln/model';
import {
  AVERAGE_SCALE,
  finishQuery,
  flameGraph,
  functionSums,
  stacksThrough,
  stacktracesTree,
  treeTotal,
  type FunctionSum,
  type FunctionTreeColumns,
} from '@kiln/query';
import { ask, selectRange, type QueryContext } from '../ask.ts';
import { checkSelection, type QueryFrontend } from '../query-frontend.ts';
import { rangeOf } from '../requests.ts';
import { checkNames, ownMaxNodes, recentTimes, typedSelector } from './parameters.ts';
import { jsonAnswer, type Route } from './route.ts';

/** `GET /api/v1/flamegraph`: a flame graph with its table (docs/api.md). */
export function flamegraphRoute(frontend: QueryFrontend): Route {
  return async (parameters, context) => {
    checkNames(parameters, '/api/v1/flamegraph', [...OF_VIEW, 'maxNodes', 'max-nodes']);
    const nodes = frontend.maxNodes(context.tenants, ownMaxNodes(parameters));
    const view = await viewOf(frontend, parameters, context);
    const graph = flameGraph(view.tree, nodes, view.range);
    const number = numbers(view.scale);
    const levels = graph.levels.map((level: ArrayLike<number | bigint>) => {
      // The fourth number of a node is a name.
      return `[${Array.from(level, (value, i) => (i % 4 === 3 ? `${value}` : number(BigInt(value)))).join(',')}]`;
    });
    const shown = `"flamegraph":{"names":${JSON.stringify(graph.names)},"levels":[${levels.join(',')}]}`;
    return jsonAnswer(`{${headText(view)},${tableText(view)},${shown}}\n`);
  };
}

/** `GET /api/v1/top`: the table alone. */
export function topRoute(frontend: QueryFrontend): Route {
  return async (parameters, context) => {
    checkNames(parameters, '/api/v1/top', OF_VIEW);
    const view = await viewOf(frontend, parameters, context);
    return jsonAnswer(`{${headText(view)},${tableText(view)}}\n`);
  };
}

/** What is looked at: all stacks of a selection, or those through one function. */
interface View {
  readonly profileTypeID: string;
  readonly labelSelector: string;
  /** As asked, Unix milliseconds. */
  readonly range: { readonly startMs: number; readonly endMs: number };
  readonly aggregation: 'sum' | 'average';
  /** What a unit of the tree's values is divided by. */
  readonly scale: number;
  readonly through: string;
  readonly tree: FunctionTreeColumns;
  /** Of all stacks. */
  readonly whole: bigint;
  /** Functions to list; 0 = all. */
  readonly limit: number;
}

const DEFAULT_LIMIT = 100;
/** The parameters of a view. */
const OF_VIEW = ['query', 'from', 'until', 'aggregation', 'function', 'limit'];

async function viewOf(frontend: QueryFrontend, parameters: URLSearchParams, context: QueryContext): Promise<View> {
  const selector = typedSelector(parameters, 'query');
  const { profileTypeID, labelSelector } = selector;
  checkSelection(profileTypeID, labelSelector);
  const aggregation = aggregationOf(parameters, profileTypeID);
  const limit = wholeNumber(parameters, 'limit', DEFAULT_LIMIT);
  const asked = rangeOf(recentTimes(parameters, frontend.nowMs()));
  const range = selectRange(frontend, context, asked);
  const all = await treeOf(frontend, context, { ...selector, aggregation, range });
  const through = parameters.get('function') ?? '';
  return {
    ...selector,
    range: asked,
    aggregation,
    scale: aggregation === 'average' ? AVERAGE_SCALE : 1,
    through,
    tree: through === '' ? all : stacksThrough(all, through),
    whole: treeTotal(all),
    limit,
  };
}

async function treeOf(
  frontend: QueryFrontend,
  context: QueryContext,
  {
    profileTypeID,
    labelSelector,
    aggregation,
    range,
  }: Pick<View, 'profileTypeID' | 'labelSelector' | 'aggregation'> & { range: View['range'] | undefined },
): Promise<FunctionTreeColumns> {
  if (range === undefined) return stacktracesTree(new Uint8Array(0));
  const selection = { ...range, profileType: profileTypeID, selector: labelSelector };
  if (aggregation === 'average') {
    const query = { kind: 'averageStacks', ...selection } as const;
    return finishQuery(query, (await ask(frontend, context, query)).partial);
  }
  const query = { kind: 'stacktraces', format: 'flamegraph', ...selection, maxNodes: 0 } as const;
  return stacktracesTree((await ask(frontend, context, query)).partial);
}

/** The sum, but for what is counted at an instant: there a sum over time says nothing. */
function aggregationOf(parameters: URLSearchParams, profileTypeID: string): 'sum' | 'average' {
  const asked = parameters.get('aggregation') ?? '';
  if (asked === 'sum' || asked === 'average') return asked;
  if (asked !== '')
    throw new KilnError(
      'invalid_argument',
      `aggregation is ${JSON.stringify(asked.slice(0, 100))}: want sum or average`,
    );
  return /^(inuse_|goroutines?$)/.test(parseProfileTypeId(profileTypeID).type) ? 'average' : 'sum';
}

function wholeNumber(parameters: URLSearchParams, name: string, missing: number): number {
  const text = parameters.get(name) ?? '';
  if (text === '') return missing;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new KilnError(
    'invalid_argument',
    `${name} is ${JSON.stringify(text.slice(0, 100))}: want a whole number, 0 for all`,
  );
}

/** Values as JSON, digit by digit: a double would round those above 2^53. Averages have up to three decimals. */
function numbers(scale: number): (value: bigint) => string {
  if (scale === 1) return String;
  const divisor = BigInt(scale);
  const digits = String(scale).length - 1;
  return (value) => {
    const rest = String(value % divisor)
      .padStart(digits, '0')
      .replace(/0+$/, '');
    return `${value / divisor}${rest === '' ? '' : `.${rest}`}`;
  };
}

function headText({ profileTypeID, labelSelector, range, aggregation, scale, through, tree, whole }: View): string {
  const { unit } = parseProfileTypeId(profileTypeID);
  const number = numbers(scale);
  const head = {
    profileType: profileTypeID,
    selector: labelSelector,
    from: range.startMs,
    until: range.endMs,
    aggregation,
    unit,
  };
  const inView = through === '' ? whole : treeTotal(tree);
  const view = `"view":{"function":${through === '' ? 'null' : JSON.stringify(through)},"total":${number(inView)},"text":${JSON.stringify(textOf(inView, scale, unit))},"ofWhole":${share(inView, whole)}}`;
  return `${JSON.stringify(head).slice(1, -1)},"total":${number(whole)},"text":${JSON.stringify(textOf(whole, scale, unit))},${view}`;
}

function tableText({ profileTypeID, scale, tree, whole, limit }: View): string {
  const { unit } = parseProfileTypeId(profileTypeID);
  const number = numbers(scale);
  const inView = treeTotal(tree);
  const amount = (value: bigint): string =>
    `{"value":${number(value)},"text":${JSON.stringify(textOf(value, scale, unit))},"ofWhole":${share(value, whole)},"ofView":${share(value, inView)}}`;
  const row = ({ name, self, total }: FunctionSum): string =>
    `{"name":${JSON.stringify(name)},"flat":${amount(self)},"cum":${amount(total)}}`;
  const functions = functionSums(tree);
  const shown = limit === 0 ? functions : functions.slice(0, limit);
  return `"functionCount":${functions.length},"functions":[${shown.map(row).join(',')}]`;
}

function textOf(value: bigint, scale: number, unit: string): string {
  return amountText(scale === 1 ? value : Number(value) / scale, unit);
}

/** A part of a whole, from 0 to 1, to six digits. */
function share(part: bigint, whole: bigint): number {
  return whole === 0n ? 0 : Number((Number(part) / Number(whole)).toFixed(6));
}
