import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectPush, query } from '../support/http-client.ts';
import { withTimeNanos } from '../support/shift-time.ts';

/** A data directory of a version, kept for ever: every later version opens it and finds the same sums. */
export const frozenV1: string = join(import.meta.dirname, '../fixtures/v1');

/** What a tenant's data comes to, by service and profile type; int64 as text. */
export type Sums = Readonly<Record<string, string>>;

/** Times lie in the past of whoever opens the directory: nothing may be too old to be asked for. */
export const anyTime: readonly string[] = [
  '--auth.multitenancy-enabled=true',
  '--querier.max-query-lookback=0',
  '--querier.max-query-length=0',
  '--retention-period=0',
];

/** Pushes the repository's pprofs to a tenant, each stamped at its own sub-second time; those that are made to be refused are refused again. */
export async function pushFixtures(
  url: string,
  tenant: string,
  nowMs: number,
  services: readonly string[],
): Promise<number> {
  const folder = join(import.meta.dirname, '../fixtures/pprof');
  const files = (await readdir(folder))
    .filter((name) => name.endsWith('.pb') && !name.startsWith('refused'))
    .toSorted();
  let stored = 0;
  for (const [i, file] of files.entries()) {
    const bytes = await readFile(join(folder, file));
    const profile = withTimeNanos(new Uint8Array(bytes), BigInt(nowMs) * 1_000_000n + BigInt(i) * 1_000_001n + 1n);
    const labels = [
      ['__name__', file.includes('heap') ? 'memory' : 'process_cpu'],
      ['service_name', services[i % services.length]!],
      ['file', file],
      ['owner', tenant],
    ] as const;
    const answer = await connectPush(url, [{ labels, samples: [{ profile }] }], { tenant });
    if (answer.status !== 200) throw new Error(`${file}: ${answer.status} ${Buffer.from(answer.body).toString()}`);
    stored++;
  }
  return stored;
}

/** Every flame graph total of a tenant, and the values of its series as pprof bytes would sum them. */
export async function readSums(url: string, tenant: string): Promise<Sums> {
  const range = { start: '1', end: String(Date.now() + 86_400_000) };
  const answer = await query(
    url,
    'Series',
    { ...range, labelNames: ['service_name', '__profile_type__'] },
    { tenant, json: true },
  );
  const sets = (answer['labelsSet'] ?? []) as { labels: { name: string; value: string }[] }[];
  const sums: Record<string, string> = {};
  for (const { labels } of sets) {
    const [type, service] = ['__profile_type__', 'service_name'].map(
      (name) => labels.find((label) => label.name === name)!.value,
    );
    const request = { ...range, profileTypeID: type!, labelSelector: `{service_name="${service}"}` };
    sums[`${service} ${type}`] = await readSum(url, tenant, request);
  }
  return sums;
}

/** The total of a flame graph and a mark of its names; a sum beyond int64 is the number that the refusal names. */
async function readSum(url: string, tenant: string, request: Readonly<Record<string, unknown>>): Promise<string> {
  try {
    const answer = await query(url, 'SelectMergeStacktraces', request, { tenant, json: true });
    const { total = '0', names } = answer['flamegraph'] as { total?: string; names: string[] };
    return `${total} over ${names.length} names, ${checksum(names.toSorted().join())}`;
  } catch (error) {
    const [, sum] = /out_of_range.*the selected values is (\d+),/.exec((error as Error).message) ?? [];
    if (sum === undefined) throw error;
    return `${sum}, refused`;
  }
}

/** A short mark of a text, so that a changed name is noticed without storing all of them. */
function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16);
}
