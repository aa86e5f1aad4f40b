import { ConfigError, parseDuration, type ReadData } from '@kiln/config';
import { parseSelector, type Matcher } from '@kiln/model';

/** Groups of one tenant at most: every profile is held against each. */
const MAX_GROUPS = 100;
/** What belongs to no group is counted under this name. */
export const OTHER_GROUP = 'other';
/** In the name of a group: the value of a label of the profile. */
const LABEL_IN_NAME = /\$\{labels\.([^}]+)\}/g;

/** `distributor_usage_groups`: a selector of labels as pushed, by name. In a name `${labels.team}` stands for the value of the label `team`. */
export const readUsageGroups: ReadData = (tree, where) => {
  const groups = Object.entries(recordOf(tree, where));
  if (groups.length > MAX_GROUPS)
    throw new ConfigError(`${where} has ${groups.length} groups, allowed are ${MAX_GROUPS}`);
  for (const [name, selector] of groups) {
    const at = `${where}, group ${JSON.stringify(name)}`;
    if (name === '' || name === OTHER_GROUP)
      throw new ConfigError(`${at}: this name is taken, by what belongs to no group`);
    if (name.replaceAll(LABEL_IN_NAME, '').includes('${'))
      throw new ConfigError(`${at}: a name is filled in from labels as \${labels.NAME}, nothing else`);
    if (typeof selector !== 'string') throw new ConfigError(`${at} must be a selector such as '{service_name="api"}'`);
    try {
      parseSelector(selector);
    } catch (error) {
      throw new ConfigError(`${at}: ${(error as Error).message}`);
    }
  }
  return Object.fromEntries(groups);
};

/** A group that a profile belongs to. */
export interface UsageGroup {
  /** With the labels of the profile filled in. */
  readonly name: string;
  /** As `distributor_usage_groups` has it. */
  readonly declared: string;
}

/** The groups of a tenant, compiled. */
export class UsageGroups {
  readonly #groups: readonly { readonly declared: string; readonly matchers: readonly Matcher[] }[];

  /** @param text of `distributor_usage_groups`, checked. */
  constructor(text: string) {
    const groups = Object.entries(JSON.parse(text) as Record<string, string>);
    this.#groups = groups.map(([declared, selector]) => ({ declared, matchers: parseSelector(selector) }));
  }

  get length(): number {
    return this.#groups.length;
  }

  /** All groups that labels belong to. An absent label is matched as the empty text; one that a name is filled in from must be there. */
  of(labels: ReadonlyMap<string, string>): UsageGroup[] {
    return this.#groups
      .filter(({ matchers }) => matchers.every(({ name, matches }) => matches(labels.get(name) ?? '')))
      .flatMap(({ declared }) => {
        const name = filledIn(declared, labels);
        return name === undefined ? [] : { name, declared };
      });
  }
}

/** What a table by usage groups says of one: under its filled in name, or else under its declared one, which stands for all that it becomes. */
export function entryOf<T>(
  table: Readonly<Record<string, T>> | undefined,
  { name, declared }: UsageGroup,
): T | undefined {
  if (table === undefined) return undefined;
  if (Object.hasOwn(table, name)) return table[name];
  return Object.hasOwn(table, declared) ? table[declared] : undefined;
}

function filledIn(declared: string, labels: ReadonlyMap<string, string>): string | undefined {
  let isWhole = true;
  const name = declared.replaceAll(LABEL_IN_NAME, (_, label: string) => {
    const value = labels.get(label);
    isWhole &&= value !== undefined;
    return value ?? '';
  });
  return isWhole ? name : undefined;
}

/** `ingestion_limit`. Somebody outside counts and says when it is reached; the rest is for sentences. */
export interface IngestionLimit {
  readonly period_type?: string;
  readonly period_limit_mb?: number;
  /** Unix seconds. */
  readonly limit_reset_time?: number;
  readonly limit_reached?: boolean;
  /** What is let through all the same: so many pushes in each period. */
  readonly sampling?: { readonly num_requests: number; readonly periodMs: number };
  readonly usage_groups?: Readonly<
    Record<string, { readonly period_limit_mb?: number; readonly limit_reached?: boolean }>
  >;
}

/** @param text of `ingestion_limit`, checked. */
export function parseIngestionLimit(text: string): IngestionLimit {
  const { sampling, ...limit } = JSON.parse(text) as IngestionLimit & { sampling?: { period: string } };
  if (sampling === undefined) return limit;
  return { ...limit, sampling: { num_requests: sampling.num_requests, periodMs: parseDuration(sampling.period) ?? 0 } };
}

export const readIngestionLimit: ReadData = (tree, where) => {
  const fields = fieldsOf(tree, where, [
    'period_type',
    'period_limit_mb',
    'limit_reset_time',
    'limit_reached',
    'sampling',
    'usage_groups',
  ]);
  const { period_type: type, sampling, usage_groups: groups } = fields;
  return {
    ...(type !== undefined && { period_type: textOf(type, `${where}, field period_type`) }),
    ...partOf(fields, where),
    ...(fields['limit_reset_time'] !== undefined && {
      limit_reset_time: numberOf(fields['limit_reset_time'], `${where}, field limit_reset_time`, 1e11),
    }),
    ...(sampling !== undefined && { sampling: letThroughOf(sampling, `${where}, field sampling`) }),
    ...(groups !== undefined && {
      usage_groups: mapOf(groups, `${where}, field usage_groups`, (one, at) =>
        partOf(fieldsOf(one, at, ['period_limit_mb', 'limit_reached']), at),
      ),
    }),
  };
};

function partOf(fields: Readonly<Record<string, unknown>>, where: string): Record<string, unknown> {
  const { period_limit_mb: mb, limit_reached: reached } = fields;
  if (reached !== undefined && typeof reached !== 'boolean')
    throw new ConfigError(`${where}, field limit_reached must be true or false`);
  return {
    ...(mb !== undefined && { period_limit_mb: numberOf(mb, `${where}, field period_limit_mb`, 1e12) }),
    ...(reached !== undefined && { limit_reached: reached }),
  };
}

function letThroughOf(tree: unknown, where: string): Record<string, unknown> {
  const { num_requests: count = 0, period = '0' } = fieldsOf(tree, where, ['num_requests', 'period']);
  if (typeof period !== 'string' || parseDuration(period) === undefined)
    throw new ConfigError(`${where}.period must be a duration such as 15s or 1h`);
  const requests = numberOf(count, `${where}.num_requests`, 1e9);
  if (!Number.isInteger(requests)) throw new ConfigError(`${where}.num_requests must be a whole number`);
  return { num_requests: requests, period };
}

/** `distributor_sampling`. */
export interface Sampling {
  readonly usage_groups?: Readonly<Record<string, { readonly probability: number }>>;
}

export const readSampling: ReadData = (tree, where) => {
  const { usage_groups: groups } = fieldsOf(tree, where, ['usage_groups']);
  if (groups === undefined) return {};
  return {
    usage_groups: mapOf(groups, `${where}, field usage_groups`, (one, at) => {
      const { probability } = fieldsOf(one, at, ['probability']);
      return { probability: numberOf(probability, `${at}, field probability`, 1) };
    }),
  };
};

function mapOf(tree: unknown, where: string, read: (one: unknown, where: string) => unknown): Record<string, unknown> {
  const entries = Object.entries(recordOf(tree, where));
  if (entries.length > MAX_GROUPS)
    throw new ConfigError(`${where} has ${entries.length} groups, allowed are ${MAX_GROUPS}`);
  return Object.fromEntries(entries.map(([name, one]) => [name, read(one, `${where}, group ${JSON.stringify(name)}`)]));
}

/** The fields of a tree, without empty ones. */
function fieldsOf(tree: unknown, where: string, known: readonly string[]): Record<string, unknown> {
  const fields = Object.entries(recordOf(tree, where)).filter(([, value]) => value !== null);
  const unknown = fields.find(([name]) => !known.includes(name));
  if (unknown !== undefined)
    throw new ConfigError(`${where}, field ${unknown[0]} is unknown: known are ${known.join(', ')}`);
  return Object.fromEntries(fields);
}

function recordOf(tree: unknown, where: string): Record<string, unknown> {
  if (typeof tree === 'object' && tree !== null && !Array.isArray(tree)) return tree as Record<string, unknown>;
  throw new ConfigError(`${where} must hold values by name`);
}

function numberOf(value: unknown, where: string, max: number): number {
  if (typeof value === 'number' && value >= 0 && value <= max) return value;
  throw new ConfigError(`${where} is ${JSON.stringify(value) ?? 'missing'}, must be a number from 0 to ${max}`);
}

function textOf(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  throw new ConfigError(`${where} must be a text`);
}
