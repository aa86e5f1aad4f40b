import { readDirectory, verifyObject, type Codecs, type TenantEntry } from '@kiln/block';
import {
  anyStored,
  checkIndexedMark,
  decodeAdHocObject,
  indexedPrefix,
  keptPrefixes,
  olderThanBlocks,
  readChain,
  readSettings,
  readTrim,
  registeredLog,
  type CommittedPart,
  type LiveBlock,
} from '@kiln/catalog';
import { realDisk } from '@kiln/disk';
import { KilnError, parseTenantSegment, type LogId } from '@kiln/model';
import { inspectFileLog } from '@kiln/partition-log';
import { counted } from './counted.ts';
import { allKeys, type DataReader } from './data-dir/data-reader.ts';
import { surveyCatalog, type Survey } from './data-dir/catalog-survey.ts';
import { namedObjects, type Stored } from './data-dir/stored.ts';

/** One thing that is wrong with a data directory. */
export interface Finding {
  /** The object, or the log. */
  readonly where: string;
  readonly found: string;
  /** What a person can do about it. */
  readonly advice: string;
}

/** What was looked at. */
export interface Verified {
  readonly findings: readonly Finding[];
  readonly objects: number;
  readonly bytes: number;
  readonly records: number;
  /** Objects that nobody names: left by a process that died, or being written now; a sweep deletes them. */
  readonly loose: number;
  /** Bytes behind the newest whole record of a log: being written, or torn by a crash, or that record and those behind it are damaged. */
  readonly tornBytes: number;
}

const FROM_BACKUP = 'put it back from a backup; until then answers that touch it are flagged as partial';
const KEPT_FROM_BACKUP =
  'put it back from a backup or delete it; until then Kiln refuses to read it, and no profile that was pushed is concerned';
const MADE_ANEW = 'delete it: it is written anew within a day, and nothing else needs it';
const LOST_ROWS =
  'nothing brings them back but a push or an import of the same profiles; answers of that time are flagged until it is past retention';
const OLDER_INDEX =
  'what was compacted since is missing from answers without a word: put back the objects of one backup; a copy of a running directory: copy again, in the ' +
  'order of docs/storage.md';
const NO_START = 'Kiln does not start on it: put the directory back from a backup';

/**
 * Checks every byte of a data directory: each manifest follows the one before, each index names what is there, each object is what the one that names
 * it says, every checksum, count and total in it, what people and tools keep, and every record of the logs. Reads only; a server may run meanwhile, and what it deletes while
 * this runs is no finding.
 * @param progress is told what is looked at.
 */
export async function verifyDirectory(
  reader: DataReader,
  codecs: Codecs,
  progress: (what: string) => void,
): Promise<Verified> {
  const findings: Finding[] = [];
  progress('reading the catalog');
  const survey = await surveyCatalog(reader);
  const { stored, remains, faults } = survey;
  for (const fault of faults) findings.push({ where: 'the catalog', ...fault });
  const held = (await allKeys(reader, 'log/')).concat(await allKeys(reader, 'tenants/'));
  const named = namedObjects({ chains: [...stored.chains, ...remains], indexes: stored.indexes });
  const stray = held.filter((key) => OBJECT.test(key) && !named.has(key));
  const names = namings(survey);
  // What names them may be what is damaged: they are checked by themselves.
  if (faults.length > 0) for (const key of stray) names.set(key, undefined);
  let objects = 0;
  let bytes = 0;
  for (const [key, naming] of names) {
    progress(`object ${++objects} of ${names.size}: ${key}`);
    const found = await reader.objects.get(key);
    if (found === undefined) {
      if (naming !== undefined && (await isStillNamed(reader, key)))
        findings.push({ where: key, found: 'is missing, and is named', advice: FROM_BACKUP });
      continue;
    }
    bytes += found.bytes.length;
    for (const problem of problemsOf(found.bytes, naming, codecs))
      findings.push({ where: key, found: problem, advice: FROM_BACKUP });
  }
  await verifyContained(reader, stored, findings);
  for (const [tenant, index] of stored.indexes) {
    const older = await olderThanBlocks(reader, tenant, index);
    if (older !== undefined)
      findings.push({ where: `the index of tenant ${tenant}`, found: older.message, advice: OLDER_INDEX });
  }
  for (const [tenant, { quarantine }] of stored.indexes)
    for (const { object, rows, reason } of quarantine)
      findings.push({
        where: object,
        found: `${counted(rows, 'row')} of tenant ${tenant} could not be read when compacted: ${reason}`,
        advice: LOST_ROWS,
      });
  for await (const { key, size, problem } of keptObjects(reader)) {
    progress(`object ${++objects}: ${key}`);
    bytes += size;
    if (problem !== undefined) findings.push({ where: key, found: problem, advice: KEPT_FROM_BACKUP });
  }
  for (const key of await allKeys(reader, indexedPrefix)) {
    const mark = await reader.objects.get(key);
    const problem = mark && (await problemOf(async () => checkIndexedMark(reader, key, mark.bytes)));
    if (problem !== undefined) findings.push({ where: key, found: problem, advice: MADE_ANEW });
  }
  const loose = faults.length > 0 ? 0 : stray.length;
  const logs = await verifyLogs(reader, stored, findings, progress);
  return { findings, objects, bytes, loose, ...logs };
}

/** What people and tools keep for tenants: their settings, and the profiles that they uploaded to look at. */
async function* keptObjects(
  reader: DataReader,
): AsyncGenerator<{ readonly key: string; readonly size: number; readonly problem: string | undefined }> {
  for (const prefix of Object.values(keptPrefixes)) {
    for (const key of await allKeys(reader, prefix)) {
      const stored = await reader.objects.get(key);
      if (stored === undefined) continue;
      const problem = await problemOf(async () => {
        if (prefix === keptPrefixes.adHoc) {
          decodeAdHocObject(reader.crc32, key, stored.bytes);
          return;
        }
        const tenant = parseTenantSegment(key.slice(prefix.length));
        if (tenant === undefined) throw new KilnError('data_loss', 'is named by no tenant');
        await readSettings(reader, tenant);
      });
      yield { key, size: stored.bytes.length, problem };
    }
  }
}

async function problemOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return KilnError.from(error).message;
  }
}

/** Segments and blocks. */
const OBJECT = /^log\/[^/]+\/s\/|^tenants\/[^/]+\/b\//;

/** What is said of an object by those that name it. */
interface Naming {
  readonly parts: readonly CommittedPart[];
  readonly block: LiveBlock | undefined;
}

/** Every object that a manifest above T or an index names. */
function namings({ stored: { chains, indexes }, remains }: Survey): Map<string, Naming | undefined> {
  const names = new Map<string, Naming | undefined>();
  for (const { manifests, T } of [...chains, ...remains])
    for (const { end, object, tenants } of manifests)
      if (end > T && object !== undefined)
        names.set(object, { parts: tenants.map((part) => ({ ...part, object })), block: undefined });
  for (const [tenant, { blocks }] of indexes)
    for (const block of blocks) names.set(block.object, { parts: [{ ...block, tenant }], block });
  return names;
}

/** A block holds nothing that no manifest has: it would be read from the log once more. */
async function verifyContained(reader: DataReader, { chains, indexes }: Stored, findings: Finding[]): Promise<void> {
  for (const [tenant, { contained }] of indexes)
    for (const { log, upTo } of contained) {
      const E = chains.find((chain) => chain.log === log)?.E;
      const isBeyond = E !== undefined && upTo > E && upTo > ((await endOfManifests(reader, log)) ?? upTo);
      if (isBeyond)
        findings.push({
          where: `the index of tenant ${tenant}`,
          found: `holds log ${log} up to offset ${upTo}, its manifests reach ${E}`,
          advice:
            'the index is newer than the manifests, and profiles may count twice: put back the objects of one backup',
        });
    }
}

async function isStillNamed(reader: DataReader, key: string): Promise<boolean> {
  return namings(await surveyCatalog(reader)).has(key);
}

/** @param naming undefined when it is not known what it should hold. */
function problemsOf(bytes: Uint8Array, naming: Naming | undefined, codecs: Codecs): string[] {
  const problems = verifyObject(bytes, codecs).map(({ where, found }) => `${where}: ${found}`);
  if (problems.length > 0 || naming === undefined) return problems;
  const { parts, block } = naming;
  const { entries, level } = readDirectory(bytes, codecs, bytes.length);
  if (block !== undefined && block.size !== bytes.length)
    problems.push(`has ${bytes.length} bytes, the index says ${block.size}`);
  if (block !== undefined && block.level !== level)
    problems.push(`is of level ${level}, the index says ${block.level}`);
  if (entries.length !== parts.length)
    problems.push(`has parts of ${entries.length} tenants, ${parts.length} are named`);
  for (const part of parts) {
    const entry = entries.find(({ tenant }) => tenant === part.tenant);
    if (entry === undefined) problems.push(`has no part of tenant ${part.tenant}`);
    else if (!isSame(entry, part)) problems.push(`the part of tenant ${part.tenant} is not as it is named`);
  }
  return problems;
}

function isSame(a: TenantEntry, b: CommittedPart): boolean {
  return a.off === b.off && a.len === b.len && a.rows === b.rows && a.minMs === b.minMs && a.maxMs === b.maxMs;
}

async function verifyLogs(
  reader: DataReader,
  stored: Stored,
  findings: Finding[],
  progress: (what: string) => void,
): Promise<Pick<Verified, 'records' | 'tornBytes'>> {
  let records = 0;
  let tornBytes = 0;
  const here = new Map<LogId, number>();
  progress('reading the logs');
  try {
    for await (const found of inspectFileLog({ disk: realDisk(), root: reader.directory.log, crc32: reader.crc32 })) {
      const where = `log ${found.logId} of partition ${found.partition}`;
      progress(where);
      here.set(found.logId, found.endOffset);
      records += Math.max(0, found.endOffset - found.startOffset + 1);
      tornBytes += found.tornBytes;
      const E = stored.chains.find(({ log }) => log === found.logId)?.E ?? -1;
      for (const { from, to } of found.damaged)
        if (to > E)
          findings.push({
            where,
            found: `offsets ${from} to ${to} cannot be read`,
            advice:
              'their rows are lost unless a backup has them; Kiln passes them and flags answers that they may concern',
          });
      const afterE = found.startOffset > E + 1 ? await endOfManifests(reader, found.logId) : undefined;
      if (afterE !== undefined && found.startOffset > afterE + 1)
        findings.push({
          where,
          found: `begins at offset ${found.startOffset}, its manifests reach ${afterE}`,
          advice:
            'the log directory is newer than the objects: put back those of one backup; else Kiln passes what lies between, and flags answers that it may concern',
        });
      if (found.endOffset < E)
        findings.push({
          where,
          found: `ends at offset ${found.endOffset}, its manifests reach ${E}`,
          advice:
            'the log directory is older than the objects, and Kiln does not start on it: put the right one back, or move it away, which gives up what is in ' +
            'no object, and the next start names the logs for kiln log close',
        });
    }
  } catch (error) {
    if (KilnError.from(error).code === 'not_found' && (await isNew(reader))) return { records: 0, tornBytes: 0 };
    findings.push({ where: reader.directory.log, found: KilnError.from(error).message, advice: NO_START });
    return { records, tornBytes };
  }
  await verifyRegister(reader, here, findings);
  return { records, tornBytes };
}

/** Whether nothing is there but what a first start makes before the log. */
async function isNew(reader: DataReader): Promise<boolean> {
  if ((await anyStored(reader)) !== undefined) return false;
  const trim = await readTrim(reader).catch(() => undefined);
  return trim?.rev === 0;
}

/**
 * The logs that are here are those that the objects know, and the other way round.
 * @param here the last offset of each, -1 without records. Read before the register: it names a log before that has a record.
 */
async function verifyRegister(
  reader: DataReader,
  here: ReadonlyMap<LogId, number>,
  findings: Finding[],
): Promise<void> {
  const trim = await readTrim(reader).catch(() => undefined); // a damaged one is a finding already
  if (trim === undefined) return;
  for (const [log, endOffset] of here)
    if (endOffset >= 0 && registeredLog(trim, log) === undefined)
      findings.push({
        where: `log ${log}`,
        found: `holds records up to offset ${endOffset}, ${trim.rev === 0 ? 'log/trim is missing' : 'log/trim does not name it'}`,
        advice: `the log and the objects are not of one directory, or objects were lost; ${NO_START}`,
      });
  for (const { log, partition, closed } of trim.logs)
    if (closed === undefined && !here.has(log))
      findings.push({
        where: `log ${log} of partition ${partition}`,
        found: `is open, and is not in ${reader.directory.log}`,
        advice: `the log directory is another one, or a new one, and Kiln does not start on it: put the right one back, or give up what is in no object: kiln log close ${log}`,
      });
}

/** As they are now: beside a running server the log is trimmed while this looks. Undefined for a log without any, or with damaged ones. */
async function endOfManifests(reader: DataReader, logId: LogId): Promise<number | undefined> {
  return (await readChain(reader, logId).catch(() => undefined))?.E;
}
