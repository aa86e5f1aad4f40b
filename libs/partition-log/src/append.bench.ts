// node --conditions=source libs/partition-log/src/append.bench.ts [folder] [seconds per row]
// What an acknowledgement costs on this disk: a bare fdatasync after a write, then appends with so many in flight. The first is the floor of the second.
import { systemClock } from '@kiln/async';
import { realDisk } from '@kiln/disk';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { openFileLog } from './file-log.ts';

const RECORD_BYTES = 10_000;
const folder = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'kiln-append-bench-'));
const forMs = Number(process.argv[3] ?? 3) * 1_000;
const record = new Uint8Array(RECORD_BYTES).fill(7);
try {
  report('bare write + fdatasync', await bareSyncs());
  for (const inFlight of [1, 16, 64]) report(`append, ${inFlight} in flight`, await appends(inFlight));
} finally {
  await rm(folder, { recursive: true });
}

async function bareSyncs(): Promise<number[]> {
  const file = await realDisk().open(join(folder, 'bare'), 'create');
  const times: number[] = [];
  const end = performance.now() + forMs;
  for (let position = 0; performance.now() < end; position += RECORD_BYTES) {
    const start = performance.now();
    await file.write(record, position);
    await file.sync();
    times.push(performance.now() - start);
  }
  await file.close();
  return times;
}

async function appends(inFlight: number): Promise<number[]> {
  const root = join(folder, `log-${inFlight}`);
  const options = { disk: realDisk(), root, partitions: 1, clock: systemClock(), crc32, random: Math.random };
  await using log = await openFileLog(options);
  const one = await log.open(0);
  const times: number[] = [];
  const end = performance.now() + forMs;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const start = performance.now();
      await one.append(record);
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, client));
  return times;
}

function report(what: string, times: number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string => sorted[Math.floor(share * (sorted.length - 1))]!.toFixed(2);
  const perSecond = Math.round((times.length / forMs) * 1_000);
  console.log(`${what.padEnd(26)} p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  ${perSecond}/s of ${RECORD_BYTES} bytes`);
}
