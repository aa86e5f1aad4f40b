/** What people call a kind of profile; by `name:sampleType` of its id. */
const TITLES: Readonly<Record<string, string>> = {
  'process_cpu:cpu': 'CPU time',
  'process_cpu:samples': 'CPU samples',
  'wall:wall': 'Wall time',
  'wall:samples': 'Wall samples',
  'wall:cpu': 'CPU time (wall profile)',
  'memory:inuse_space': 'Memory in use',
  'memory:inuse_objects': 'Objects in use',
  'memory:alloc_space': 'Memory allocated',
  'memory:alloc_objects': 'Objects allocated',
  'mutex:contentions': 'Mutex contentions',
  'mutex:delay': 'Mutex delay',
  'block:contentions': 'Block contentions',
  'block:delay': 'Block delay',
};

/** Kinds that people look at first, best first: by sample type. */
const FIRST = ['cpu', 'wall', 'time', 'samples', 'inuse_space', 'alloc_space', 'goroutine', 'goroutines'];

/** A kind for people: `CPU time`, `Memory in use`, `exception (count)`. The id itself is its exact name. */
export function kindTitle(id: string): string {
  const [name = '', type = '', unit = ''] = id.split(':');
  if (/^goroutines?$/.test(type)) return 'Goroutines';
  return TITLES[`${name}:${type}`] ?? (type === '' ? name : `${name === type ? name : `${name} ${type}`} (${unit})`);
}

/** As `kindTitle`; where others have the same title, with what tells it from them: what it is counted by, for example `CPU samples · cpu:nanoseconds`. */
export function titleAmong(id: string, kinds: readonly string[]): string {
  const title = kindTitle(id);
  const alike = kinds.filter((other) => other !== id && kindTitle(other) === title);
  if (alike.length === 0) return title;
  const period = periodOf(id);
  return `${title} · ${period === ':' || alike.some((other) => periodOf(other) === period) ? id : period}`;
}

function periodOf(id: string): string {
  return id.split(':').slice(3).join(':');
}

/**
 * The kind to show when none was chosen: CPU before all, then what is most often asked; of several that are alike the first.
 * '' when there is none.
 */
export function firstKind(kinds: readonly string[]): string {
  const rank = (id: string): number => {
    const at = FIRST.indexOf(id.split(':')[1] ?? '');
    return at < 0 ? FIRST.length : at;
  };
  return kinds.toSorted((a, b) => rank(a) - rank(b))[0] ?? '';
}

/** By name; those of which only a part is told, as some old clients do (`…:nanoseconds::nanoseconds`), last. */
export function compareKinds(a: string, b: string): number {
  return Number(a.includes('::')) - Number(b.includes('::')) || (a < b ? -1 : a > b ? 1 : 0);
}

/** The unit of a kind's values. */
export function unitOf(id: string): string {
  return id.split(':')[2] ?? '';
}

/** What suits a kind: what is held at an instant says nothing when added up over time (docs/api.md, `aggregation`). */
export function aggregationOf(id: string): 'sum' | 'average' {
  return /^(inuse_|goroutines?$)/.test(id.split(':')[1] ?? '') ? 'average' : 'sum';
}
