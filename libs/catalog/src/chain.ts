import { mapLimit } from '@kiln/async';
import { CorruptDataError } from '@kiln/bytes';
import { KilnError, type LogId } from '@kiln/model';
import type { CatalogReader } from './catalog.ts';
import { manifestKey, manifestPrefix } from './keys.ts';
import { readTrim, registeredLog, type RegisteredLog, type TrimmedGap } from './log-trim.ts';
import { decodeManifest, type Manifest } from './manifest.ts';

/** What is committed of a log. A snapshot. */
export interface Chain {
  readonly log: LogId;
  readonly partition: number;
  /** Every manifest that is kept, oldest first; the seqs have no hole. Empty before the first cut. */
  readonly manifests: readonly Manifest[];
  /** Those of `manifests` that the chain given as `known` did not have. */
  readonly fresh: readonly Manifest[];
  /** The newest manifest. */
  readonly tip: Manifest | undefined;
  /** End of the tip, -1 without one. */
  readonly E: number;
  /** What every tenant's index contains, -1 for nothing: see `log/trim`. */
  readonly T: number;
  /** The gaps of this log that T has passed: their manifests may be deleted. */
  readonly trimmed: readonly TrimmedGap[];
  /** Where the log was closed; absent while it is open. */
  readonly closed: number | undefined;
  /** The revision of `log/trim` that `T` and `trimmed` are from. */
  readonly trimRev: number;
}

/** How many manifests are asked for at once. */
const PARALLEL = 32;

interface Listed {
  readonly count: number;
  readonly last: string | undefined;
}

const NOTHING_LISTED: Listed = { count: 0, last: undefined };

/**
 * CHAIN of distributed.md §1.10. Undefined when the log is gone: not, or no longer, in `log/trim`.
 * @param known a chain read before, so that only what is new is fetched.
 * @throws CorruptDataError naming a manifest that is damaged or does not continue the one before, KilnError `data_loss` naming one that is
 * missing; a chain is never cut short at it.
 */
export async function readChain(catalog: CatalogReader, log: LogId, known?: Chain): Promise<Chain | undefined> {
  for (let before = known; ; before = undefined) {
    const first = registeredLog(await readTrim(catalog), log);
    if (first === undefined) return undefined;
    const from = Math.max(first.seq, (before?.tip?.seq ?? -1) + 1);
    const seen = before === undefined ? await listed(catalog, log, from) : NOTHING_LISTED;
    const found = await readFrom(catalog, log, from, seen.count);
    const missing = from + found.length;

    // The second look. A key below `seq` may have been deleted and made anew by a process that slept, so nothing read from there counts; and
    // where `seq` or T has been raised a manifest is at `seq`, so when that is the one found missing, what was read is too old.
    const trim = await readTrim(catalog);
    const now = registeredLog(trim, log);
    if (now === undefined) return undefined;
    if (now.seq >= missing && wasCut(now)) {
      if (before === undefined && now.seq === first.seq && wasCut(first)) throw lost(log, now.seq, 'log/trim keeps it');
      continue;
    }
    // Listed before it was asked for, so the one that is missing had existed, and it was not trimmed.
    if (seen.last !== undefined && seen.last >= manifestKey(log, missing))
      throw lost(log, missing, `${seen.last} exists`);
    const fresh = found
      .map((bytes, i) => ({ seq: from + i, bytes }))
      .filter(({ seq }) => seq >= now.seq)
      .map(({ seq, bytes }) => decodeManifest(catalog, log, seq, bytes));
    const kept = (before?.manifests ?? []).filter(({ seq }) => seq >= now.seq);
    const manifests = [...kept, ...fresh];
    checkLinks(manifests, Math.max(1, kept.length), now);
    const tip = manifests.at(-1);
    return {
      log,
      partition: now.partition,
      manifests,
      fresh,
      tip,
      E: tip?.end ?? -1,
      T: now.T,
      trimmed: trim.gaps.filter((gap) => gap.log === log),
      closed: now.closed,
      trimRev: trim.rev,
    };
  }
}

/** Whether this entry was written when its log had a manifest: then there is one at `seq`. */
function wasCut({ seq, T }: RegisteredLog): boolean {
  return seq > 0 || T >= 0;
}

/** The manifests from `first` on until one is missing. Gets decide; `hint` says how many to ask for at first. */
async function readFrom(catalog: CatalogReader, log: LogId, first: number, hint: number): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for (let ask = Math.max(1, hint), next = 1; ; ask = next, next = Math.min(PARALLEL, next * 2)) {
    const seqs = Array.from({ length: ask }, (_, i) => first + found.length + i);
    const answers = await mapLimit(seqs, PARALLEL, (seq) => catalog.objects.get(manifestKey(log, seq)));
    for (const answer of answers) {
      if (answer === undefined) return found;
      found.push(answer.bytes);
    }
  }
}

/** What a list shows of the manifests from `first` on. */
async function listed(catalog: CatalogReader, log: LogId, first: number): Promise<Listed> {
  const prefix = manifestPrefix(log);
  let count = 0;
  let last: string | undefined;
  for (;;) {
    const startAfter = last ?? (first === 0 ? prefix : manifestKey(log, first - 1));
    const keys = await catalog.objects.list(prefix, { startAfter });
    if (keys.length === 0) return { count, last };
    count += keys.length;
    last = keys.at(-1);
  }
}

/** Each continues the one before; the first continues T, unless it is a tip that T has reached. */
function checkLinks(manifests: readonly Manifest[], unchecked: number, trim: RegisteredLog): void {
  const oldest = manifests[0];
  if (oldest !== undefined && oldest.start !== trim.T && oldest.end !== trim.T) {
    throw broken(oldest, `is (${oldest.start}, ${oldest.end}], log/trim keeps it for what follows ${trim.T}`);
  }
  for (let i = unchecked; i < manifests.length; i++) {
    const before = manifests[i - 1]!;
    const manifest = manifests[i]!;
    if (before.final) throw broken(manifest, `follows ${manifestKey(before.log, before.seq)}, which is final`);
    if (manifest.start !== before.end)
      throw broken(manifest, `starts at ${manifest.start}, the one before ends at ${before.end}`);
    if (manifest.prevDigest !== before.digest)
      throw broken(manifest, `follows ${manifest.prevDigest}, the one before is ${before.digest}`);
    if (manifest.aMax < before.aMax)
      throw broken(manifest, `has append time ${manifest.aMax}, the one before ${before.aMax}`);
  }
}

function broken({ log, seq }: Manifest, found: string): CorruptDataError {
  return new CorruptDataError(manifestKey(log, seq), 0, found);
}

function lost(log: LogId, seq: number, reason: string): KilnError {
  return new KilnError(
    'data_loss',
    `object ${manifestKey(log, seq)} is missing, but ${reason}: somebody removed it by hand, or the store lost it`,
  );
}
