import { CorruptDataError } from '@kiln/bytes';
import { checkQuery, type GoPgo, type Query, type SampleSelection } from './query.ts';

/** A query as bytes: a version byte, then JSON in UTF-8. */
export function encodeQuery(query: Query): Uint8Array {
  checkQuery(query);
  const json = encoder.encode(JSON.stringify(query));
  const bytes = new Uint8Array(json.length + 1);
  bytes[0] = VERSION;
  bytes.set(json, 1);
  return bytes;
}

/**
 * Reads what `encodeQuery` wrote; fields it does not know are dropped.
 * @throws CorruptDataError for bytes of another form, KilnError `invalid_argument` for values that no query has.
 */
export function decodeQuery(bytes: Uint8Array): Query {
  if (bytes.length > MAX_BYTES) throw new CorruptDataError(FORMAT, 0, `${bytes.length} bytes, limit ${MAX_BYTES}`);
  if (bytes[0] !== VERSION) throw new CorruptDataError(FORMAT, 0, `version ${bytes[0]}, want ${VERSION}`);
  const query = readQuery(new Fields(parseObject(bytes)));
  checkQuery(query);
  return query;
}

const FORMAT = 'query';
const VERSION = 1;
const MAX_BYTES = 16 * 1024 * 1024;

function parseObject(bytes: Uint8Array): object {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes.subarray(1)));
  } catch {
    throw new CorruptDataError(FORMAT, 1, 'no JSON in UTF-8');
  }
  if (typeof value !== 'object' || value === null) throw new CorruptDataError(FORMAT, 1, 'JSON that is no object');
  return value;
}

function readQuery(fields: Fields): Query {
  const range = { startMs: fields.number('startMs'), endMs: fields.number('endMs') };
  const kind = fields.text('kind') as Query['kind'];
  switch (kind) {
    case 'stacktraces':
      return {
        kind,
        ...range,
        ...selection(fields),
        ...samples(fields),
        maxNodes: fields.number('maxNodes'),
        format: fields.oneOf('format', ['flamegraph', 'tree', 'dot']),
      };
    case 'averageStacks':
      return { kind, ...range, ...selection(fields) };
    case 'pprof':
      return {
        kind,
        ...range,
        ...selection(fields),
        ...samples(fields),
        maxNodes: fields.number('maxNodes'),
        ...(fields.has('goPgo') ? { goPgo: goPgo(fields.object('goPgo')) } : {}),
      };
    case 'pprofTypes':
      return { kind, ...range, profileTypes: fields.texts('profileTypes'), selector: fields.text('selector') };
    case 'selectSeries':
      return {
        kind,
        ...range,
        ...selection(fields),
        stepMs: fields.number('stepMs'),
        groupBy: fields.texts('groupBy'),
        aggregation: fields.oneOf('aggregation', ['sum', 'average']),
        limit: fields.number('limit'),
        ...optional('callSite', fields),
        ...oldest(fields),
        ...(fields.has('exemplars') ? { exemplars: fields.oneOf('exemplars', VALUES_OF) } : {}),
        ...(fields.has('includesStripped') ? { includesStripped: fields.flag('includesStripped') } : {}),
      };
    case 'heatmap':
      return {
        kind,
        ...range,
        ...selection(fields),
        of: fields.oneOf('of', VALUES_OF),
        stepMs: fields.number('stepMs'),
        groupBy: fields.texts('groupBy'),
        exemplars: fields.flag('exemplars'),
        limit: fields.number('limit'),
        ...oldest(fields),
      };
    case 'profileTypes':
      return { kind, ...range };
    case 'profileStats':
      return { kind, ...range };
    case 'analyze':
      return { kind, ...range, matchers: fields.texts('matchers') };
    case 'labelNames':
      return { kind, ...range, matchers: fields.texts('matchers'), utf8: fields.flag('utf8') };
    case 'labelValues':
      return { kind, ...range, matchers: fields.texts('matchers'), name: fields.text('name') };
    case 'series':
      return {
        kind,
        ...range,
        matchers: fields.texts('matchers'),
        labelNames: fields.texts('labelNames'),
        utf8: fields.flag('utf8'),
      };
    default:
      return fields.fail('kind', 'a kind of query of this version');
  }
}

function selection(fields: Fields): { profileType: string; selector: string } {
  return { profileType: fields.text('profileType'), selector: fields.text('selector') };
}

function samples(fields: Fields): SampleSelection {
  return {
    ...optional('profileIds', fields),
    ...optional('spanIds', fields),
    ...optional('traceIds', fields),
    ...optional('callSite', fields),
  };
}

const VALUES_OF = ['profiles', 'spans'] as const;

function oldest(fields: Fields): { oldestMs?: number } {
  return fields.has('oldestMs') ? { oldestMs: fields.number('oldestMs') } : {};
}

function goPgo(fields: Fields): GoPgo {
  return { keepLocations: fields.number('keepLocations'), aggregateCallees: fields.flag('aggregateCallees') };
}

function optional(name: keyof SampleSelection, fields: Fields): SampleSelection {
  return fields.has(name) ? { [name]: fields.texts(name) } : {};
}

/** The members of a JSON object, each checked when asked for. */
class Fields {
  readonly #values: Map<string, unknown>;

  constructor(object: object) {
    this.#values = new Map(Object.entries(object));
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  object(name: string): Fields {
    const value = this.#values.get(name);
    return typeof value === 'object' && value !== null ? new Fields(value) : this.fail(name, 'an object');
  }

  number(name: string): number {
    const value = this.#values.get(name);
    return typeof value === 'number' ? value : this.fail(name, 'a number');
  }

  text(name: string): string {
    const value = this.#values.get(name);
    return typeof value === 'string' ? value : this.fail(name, 'a string');
  }

  flag(name: string): boolean {
    const value = this.#values.get(name);
    return typeof value === 'boolean' ? value : this.fail(name, 'true or false');
  }

  texts(name: string): string[] {
    const value = this.#values.get(name);
    return Array.isArray(value) && value.every((item) => typeof item === 'string')
      ? value
      : this.fail(name, 'a list of strings');
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.text(name);
    return allowed.find((item) => item === value) ?? this.fail(name, allowed.join(' or '));
  }

  fail(name: string, wanted: string): never {
    const found = JSON.stringify(this.#values.get(name)) ?? 'nothing';
    throw new CorruptDataError(FORMAT, 1, `${name} is ${found.slice(0, 60)}, want ${wanted}`);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
