import type { FlameState } from '../flame/props.ts';
import { RECENT } from './time-range.ts';

export type View = 'services' | 'explore' | 'compare';

/** Which profiles of a kind are looked at. */
export interface Side {
  /** As typed; it may not parse. */
  readonly selector: string;
  /** As the API has it: `now-1h`, Unix milliseconds, a day `YYYYMMDD`, … */
  readonly from: string;
  readonly until: string;
}

/** Everything the page shows follows from its address: this is the address, read. */
export interface Address extends Side {
  readonly view: View;
  /** '' = the one that the browser remembers. */
  readonly tenant: string;
  /** The search of the services. */
  readonly find: string;
  /** Profile type id; '' = the most telling one there is. */
  readonly kind: string;
  /** The right side of a comparison; the left one is the address's own. */
  readonly right: Side;
  readonly refresh: 'off' | '10s' | '1m';
  /** Label that the timeline is grouped by; '' = none. */
  readonly groupBy: string;
  /** '' = what suits the kind. */
  readonly aggregation: '' | 'sum' | 'average';
  readonly panes: 'both' | 'graph' | 'table';
  readonly comparison: 'diff' | 'sides';
  readonly flame: FlameState;
}

const noSide: Side = { selector: '{}', from: RECENT.from, until: RECENT.until };

/** The address of a page on which nothing was chosen. */
export const plainAddress: Address = {
  view: 'services',
  tenant: '',
  find: '',
  kind: '',
  ...noSide,
  right: noSide,
  refresh: 'off',
  groupBy: '',
  aggregation: '',
  panes: 'both',
  comparison: 'diff',
  flame: { search: '', focus: [], sandwich: undefined, inverted: false, colours: 'package' },
};

/** Reads the address of the page. What is missing or unknown is as on a plain page; no text is refused here. */
export function readAddress(url: URL): Address {
  const params = url.searchParams;
  const text = (name: string): string => params.get(name) ?? '';
  const oneOf = <T extends string>(name: string, allowed: readonly T[]): T =>
    allowed.find((value) => value === text(name)) ?? allowed[0]!;
  const view = VIEWS.find((name) => url.pathname.endsWith(`/${name}`)) ?? 'services';
  const compared = view === 'compare';
  const left = readSide(params, compared ? 'leftQuery' : 'query', compared ? ['leftFrom', 'leftUntil'] : TIMES);
  const right = readSide(params, 'rightQuery', ['rightFrom', 'rightUntil']);
  return {
    view,
    tenant: text('tenant'),
    find: text('find'),
    kind: left.kind === '' ? right.kind : left.kind,
    ...left.side,
    right: right.side,
    refresh: oneOf('refresh', ['off', '10s', '1m']),
    groupBy: text('groupBy'),
    aggregation: oneOf('aggregation', ['', 'sum', 'average']),
    panes: oneOf('panes', ['both', 'graph', 'table']),
    comparison: oneOf('comparison', ['diff', 'sides']),
    flame: {
      search: text('search'),
      focus: params.getAll('focus'),
      sandwich: params.get('sandwich') ?? undefined,
      inverted: text('inverted') === 'true',
      colours: oneOf('colours', ['package', 'self']),
    },
  };
}

const VIEWS: readonly View[] = ['explore', 'compare'];
const TIMES = ['from', 'until'] as const;

/** The query is `<profile type>{selector}`, the times are those of the API: what stands in the address can be asked by curl. */
function readSide(
  params: URLSearchParams,
  query: string,
  times: readonly [string, string],
): { kind: string; side: Side } {
  const text = params.get(query) ?? '';
  const brace = text.indexOf('{');
  const kind = brace < 0 ? text : text.slice(0, brace);
  const side = {
    selector: brace < 0 ? noSide.selector : text.slice(brace),
    from: params.get(times[0]) || noSide.from,
    until: params.get(times[1]) || noSide.until,
  };
  return { kind, side };
}

/** The address as text, relative to the page it stands on: `explore?query=…`. Only what is not plain is written. */
export function formatAddress(address: Address): string {
  const params = new URLSearchParams();
  const put = (name: string, value: string, plain: string): void => {
    if (value !== plain) params.set(name, value);
  };
  put('tenant', address.tenant, '');
  const putSide = (names: readonly [string, string, string], side: Side): void => {
    const [query, from, until] = names;
    put(query, `${address.kind}${side.selector}`, noSide.selector);
    put(from, side.from, noSide.from);
    put(until, side.until, noSide.until);
  };
  if (address.view === 'compare') {
    putSide(['leftQuery', 'leftFrom', 'leftUntil'], address);
    putSide(['rightQuery', 'rightFrom', 'rightUntil'], address.right);
    put('comparison', address.comparison, 'diff');
  } else if (address.view === 'explore') {
    putSide(['query', 'from', 'until'], address);
    put('groupBy', address.groupBy, '');
    put('panes', address.panes, 'both');
  } else {
    put('find', address.find, '');
    put('from', address.from, noSide.from);
    put('until', address.until, noSide.until);
  }
  put('refresh', address.refresh, 'off');
  if (address.view !== 'services') {
    put('aggregation', address.aggregation, '');
    putFlame(params, address.flame);
  }
  const query = params.toString();
  return `${address.view === 'services' ? './' : address.view}${query === '' ? '' : `?${query}`}`;
}

function putFlame(params: URLSearchParams, flame: FlameState): void {
  if (flame.search !== '') params.set('search', flame.search);
  for (const name of flame.focus) params.append('focus', name);
  if (flame.sandwich !== undefined) params.set('sandwich', flame.sandwich);
  if (flame.inverted) params.set('inverted', 'true');
  if (flame.colours !== 'package') params.set('colours', flame.colours);
}

/** What may change without the numbers being asked for anew. */
const ONLY_SHOWN = new Set<keyof Address>(['find', 'panes', 'comparison', 'flame', 'refresh']);

/** Whether a change asks for other numbers, not only for another look at the same ones. */
export function asksAnew(change: Partial<Address>): boolean {
  return Object.keys(change).some((name) => !ONLY_SHOWN.has(name as keyof Address));
}
