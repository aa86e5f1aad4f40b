import { createHash } from 'node:crypto';
import { parseTenantId, type LogId, type TenantId } from '@kiln/model';
import type { CatalogReader } from './catalog.ts';
import { gapFields, readGap, type Gap } from './gap.ts';
import { decodeJsonObject, encodeJsonObject, type JsonFields } from './json-object.ts';
import { manifestKey } from './keys.ts';

/** Where one tenant's part lies in a level-0 object, and what is in it. */
export interface TenantPart {
  readonly tenant: TenantId;
  readonly off: number;
  readonly len: number;
  readonly rows: number;
  /** Profile times, Unix milliseconds, both inclusive. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** What a manifest says; the JSON of `log/{logId}/m/{seq}` has these fields and `version`. */
export interface ManifestBody {
  /** It commits the offsets (start, end]; `start` is the end of the manifest before, -1 in the first. */
  readonly start: number;
  readonly end: number;
  /** Append time at `end`, a running maximum; 0 when nothing was ever appended. */
  readonly aMax: number;
  /** By tenant, ascending, each once. */
  readonly tenants: readonly TenantPart[];
  /** Key of the level-0 object; absent when nothing of the range is kept. */
  readonly object?: string | undefined;
  /** The ids section of the object; length 0 when there is none. */
  readonly idsOff: number;
  readonly idsLen: number;
  readonly gaps: readonly Gap[];
  /** The log ends here: no manifest follows. */
  readonly final: boolean;
  /** The process that wrote it, for people. */
  readonly writer: string;
  /** `digest` of the manifest before, '' in the first. */
  readonly prevDigest: string;
}

/** A manifest with its place. */
export interface Manifest extends ManifestBody {
  readonly log: LogId;
  readonly seq: number;
  /** First 32 hex digits of the SHA-256 of its stored bytes. */
  readonly digest: string;
}

const VERSION = 1;

/** The bytes to store, and the manifest as its reader will see it. */
export function encodeManifest(
  catalog: CatalogReader,
  log: LogId,
  seq: number,
  body: ManifestBody,
): { readonly bytes: Uint8Array; readonly manifest: Manifest } {
  const bytes = encodeJsonObject(catalog.crc32, {
    version: VERSION,
    start: body.start,
    end: body.end,
    aMax: body.aMax,
    tenants: body.tenants.map(({ tenant, off, len, rows, minMs, maxMs }) => ({ tenant, off, len, rows, minMs, maxMs })),
    ...(body.object === undefined ? {} : { object: body.object }),
    idsOff: body.idsOff,
    idsLen: body.idsLen,
    gaps: body.gaps.map(gapFields),
    ...(body.final ? { final: true } : {}),
    writer: body.writer,
    prevDigest: body.prevDigest,
  });
  return { bytes, manifest: decodeManifest(catalog, log, seq, bytes) };
}

/** @throws CorruptDataError naming the key when the bytes are damaged or break a rule of the fields above. */
export function decodeManifest(catalog: CatalogReader, log: LogId, seq: number, bytes: Uint8Array): Manifest {
  const fields = decodeJsonObject(catalog.crc32, manifestKey(log, seq), bytes, VERSION);
  const final = fields.flag('final');
  const start = fields.whole('start', -1);
  const manifest: Manifest = {
    log,
    seq,
    digest: createHash('sha256').update(bytes).digest('hex').slice(0, 32),
    start,
    end: fields.whole('end', final ? start : start + 1),
    aMax: fields.whole('aMax', 0),
    tenants: fields.list('tenants', readPart),
    object: fields.has('object') ? fields.text('object') : undefined,
    idsOff: fields.whole('idsOff', 0),
    idsLen: fields.whole('idsLen', 0),
    gaps: fields.list('gaps', readGap),
    final,
    writer: fields.text('writer'),
    prevDigest: fields.text('prevDigest'),
  };
  check(manifest, fields);
  return manifest;
}

function readPart(fields: JsonFields): TenantPart {
  const minMs = fields.whole('minMs');
  return {
    tenant: fields.parsed('tenant', exactTenant),
    off: fields.whole('off', 0),
    len: fields.whole('len', 1),
    rows: fields.whole('rows', 1),
    minMs,
    maxMs: fields.whole('maxMs', minMs),
  };
}

/** A tenant exactly as stored: what a header may carry behind a colon is not part of one. */
function exactTenant(text: string): TenantId {
  const tenant = parseTenantId(text);
  if (tenant !== text) throw new Error(`is not a tenant: ${JSON.stringify(text)}`);
  return tenant;
}

function check(manifest: Manifest, fields: JsonFields): void {
  const { log, seq, start, end, tenants, object, idsLen, gaps, prevDigest } = manifest;
  if (seq === 0 && (start !== -1 || prevDigest !== ''))
    fields.fail('start', `is ${start}, the first manifest starts at -1`);
  for (let i = 1; i < tenants.length; i++) {
    if (tenants[i]!.tenant <= tenants[i - 1]!.tenant)
      fields.fail(`tenants[${i}]`, `${tenants[i]!.tenant} is out of order`);
  }
  let passed = start;
  for (const gap of gaps) {
    if (gap.after < passed || gap.upTo > end)
      fields.fail('gaps', `(${gap.after}, ${gap.upTo}] is out of order or outside (${start}, ${end}]`);
    passed = gap.upTo;
  }
  if (object === undefined) {
    if (tenants.length > 0 || idsLen > 0) fields.fail('object', 'is missing, and parts of it are named');
  } else if (!object.startsWith(`log/${log}/s/${start}-${end}-`)) {
    fields.fail('object', `${object} is not the segment of (${start}, ${end}] of this log`);
  }
}
