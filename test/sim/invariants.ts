import type { World } from './world.ts';

interface StoredManifest {
  readonly start: number;
  readonly end: number;
  readonly object?: string;
  readonly tenants: readonly { readonly tenant: string; readonly len: number }[];
}

interface StoredTrim {
  readonly logs: readonly { readonly log: string; readonly seq: number; readonly T: number }[];
}

/** A block that an index names. */
export interface StoredBlock {
  readonly object: string;
  readonly minMs: number;
  readonly maxMs: number;
  readonly size: number;
}

/** Whose write it is, and the number of its call: it may land hours later. */
export interface Write {
  readonly by: string;
  readonly number: number;
}

interface StoredIndex {
  readonly rev: number;
  readonly contained: readonly { readonly log: string; readonly upTo: number }[];
  readonly blocks: readonly StoredBlock[];
  readonly quarantine: readonly { readonly object: string }[];
  readonly tombstones: readonly { readonly object: string }[];
}

/**
 * Looks at the stored bytes after every write that has taken effect, as text and with a parser of its own: the manifests of a log tile its offsets
 * (I2), what is named is there (I4), a tenant's index names only its own blocks (I8), and marks never go back.
 */
export class Invariants {
  readonly #world: World;
  /** Bytes that were parsed before. */
  readonly #parsed = new WeakMap<Uint8Array, unknown>();
  /** By key, the manifests that were ever at or above `seq`. */
  readonly #believed = new Map<string, Uint8Array>();
  readonly #blocks = new Map<string, readonly StoredBlock[]>();
  readonly #contained = new Map<string, number>();
  readonly #T = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  afterWrite(operation: string, key: string, write: Write): void {
    const found = this.#look(operation, key, write);
    if (found !== undefined) this.#world.break(`after ${operation} ${key}: ${found}`);
  }

  #look(operation: string, key: string, write: Write): string | undefined {
    if (operation === 'delete') return this.#deleted(key);
    if (key === 'log/trim') {
      for (const { log, T } of this.#trim.logs) {
        if (T < (this.#T.get(log) ?? -1)) return `T of ${log} went back to ${T}`;
        if (T > (this.#T.get(log) ?? -1)) this.#world.tally.add('trims');
        this.#T.set(log, T);
        const broken = this.#tiles(log);
        if (broken !== undefined) return broken;
      }
      return undefined;
    }
    const [, kind, name] = /^(log|tenants)\/([^/]+)\//.exec(key) ?? [];
    if (kind === 'log' && key.includes('/m/')) return this.#tiles(name!);
    if (kind === 'tenants' && key.endsWith('/index')) return this.#index(key, name!, write);
    return undefined;
  }

  /** I2, and the half of I4 that logs are in. */
  #tiles(log: string): string | undefined {
    const entry = this.#trim.logs.find((one) => one.log === log);
    if (entry === undefined) return undefined;
    let end: number | undefined;
    for (let seq = entry.seq; ; seq++) {
      const key = manifestKey(log, seq);
      const bytes = this.#bytes(key);
      if (bytes === undefined) {
        if (seq === entry.seq && entry.T >= 0) return `I4: log/trim keeps manifest ${seq} of ${log}, which is gone`;
        return (end ?? -1) < entry.T ? `I2: T of ${log} is ${entry.T}, its manifests end at ${end}` : undefined;
      }
      const before = this.#believed.get(key);
      if (before === undefined) this.#world.tally.add('manifests');
      else if (before !== bytes && !Buffer.from(before).equals(bytes))
        return `I2: manifest ${seq} of ${log} was another`;
      this.#believed.set(key, bytes);
      const manifest = this.#parse(bytes) as StoredManifest;
      if (end !== undefined && manifest.start !== end)
        return `I2: manifest ${seq} of ${log} starts at ${manifest.start}, the one before ends at ${end}`;
      if (seq === 0 && manifest.start !== -1) return `I2: the first manifest of ${log} starts at ${manifest.start}`;
      end = manifest.end;
      if (end > entry.T && manifest.object !== undefined && this.#bytes(manifest.object) === undefined)
        return `I4: manifest ${seq} of ${log} names ${manifest.object}, which is gone`;
    }
  }

  #index(key: string, tenant: string, write: Write): string | undefined {
    const index = this.#parse(this.#bytes(key)!) as StoredIndex;
    this.#count(tenant, index, write);
    for (const { object } of [...index.blocks, ...index.quarantine]) {
      if (!object.startsWith(`tenants/${tenant}/`)) return `I8: the index of ${tenant} names ${object}`;
      if (this.#bytes(object) === undefined) return `I4: the index of ${tenant} names ${object}, which is gone`;
    }
    for (const { log, upTo } of index.contained) {
      const before = this.#contained.get(`${tenant} ${log}`) ?? -1;
      if (upTo < before) return `W of ${tenant} and ${log} went back from ${before} to ${upTo}`;
      this.#contained.set(`${tenant} ${log}`, upTo);
    }
    return undefined;
  }

  /** The other half of I4: what goes is named by nobody. */
  #deleted(key: string): string | undefined {
    this.#world.tally.add('objects deleted');
    const [, kind, name] = /^(log|tenants)\/([^/]+)\//.exec(key) ?? [];
    if (kind === 'log') return this.#tiles(name!);
    const index = kind === 'tenants' ? this.#storedIndex(name!) : undefined;
    if (index === undefined) return key.endsWith('/index') ? 'I4: an index was deleted' : undefined;
    const { blocks, quarantine } = index;
    const named = [...blocks, ...quarantine].some(({ object }) => object === key);
    return named ? `I4: the index of ${name} names it` : undefined;
  }

  /** Blocks that are live no more were merged, are past retention, or went for room. */
  #count(tenant: string, { blocks }: StoredIndex, write: Write): void {
    const { space, tally } = this.#world;
    const before = this.#blocks.get(tenant) ?? [];
    this.#blocks.set(tenant, blocks);
    space?.indexed(blocks);
    const now = new Set(blocks.map(({ object }) => object));
    const gone = before.filter(({ object }) => !now.has(object));
    if (gone.length === 0) return;
    const stay = before.filter(({ object }) => now.has(object));
    if (blocks.length > stay.length) tally.add('merges');
    else tally.add('blocks past retention', gone.length - (space?.went(tenant, gone, stay, write) ?? 0));
  }

  /** Tenants that have an index. */
  tenants(): string[] {
    return [...this.#blocks.keys()];
  }

  liveBlocks(tenant: string): readonly StoredBlock[] {
    return this.#storedIndex(tenant)?.blocks ?? [];
  }

  /** By tenant, the bytes of its blocks, and of its parts in segments that no block contains. */
  storedBytes(): Map<string, number> {
    const bytes = new Map<string, number>();
    const add = (tenant: string, more: number): void => void bytes.set(tenant, (bytes.get(tenant) ?? 0) + more);
    for (const tenant of this.#blocks.keys())
      add(
        tenant,
        this.liveBlocks(tenant).reduce((sum, { size }) => sum + size, 0),
      );
    for (const { log, seq } of this.#trim.logs) {
      for (let next = seq, found; (found = this.#bytes(manifestKey(log, next))) !== undefined; next++) {
        const { end, tenants } = this.#parse(found) as StoredManifest;
        for (const { tenant, len } of tenants)
          if (end > (this.#contained.get(`${tenant} ${log}`) ?? -1)) add(tenant, len);
      }
    }
    return bytes;
  }

  #storedIndex(tenant: string): StoredIndex | undefined {
    const bytes = this.#bytes(`tenants/${tenant}/index`);
    return bytes === undefined ? undefined : (this.#parse(bytes) as StoredIndex);
  }

  get #trim(): StoredTrim {
    const bytes = this.#bytes('log/trim');
    return bytes === undefined ? { logs: [] } : (this.#parse(bytes) as StoredTrim);
  }

  #bytes(key: string): Uint8Array | undefined {
    return this.#world.stored.objects.get(key)?.bytes;
  }

  /** The line of JSON before the checksum. */
  #parse(bytes: Uint8Array): unknown {
    let value = this.#parsed.get(bytes);
    if (value === undefined) {
      value = JSON.parse(Buffer.from(bytes).toString('utf8').split('\n', 1)[0]!);
      this.#parsed.set(bytes, value);
    }
    return value;
  }
}

function manifestKey(log: string, seq: number): string {
  return `log/${log}/m/${String(seq).padStart(12, '0')}`;
}
