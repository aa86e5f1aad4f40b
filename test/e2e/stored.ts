import { readPprof } from '../oracle/index.ts';
import { query } from '../support/http-client.ts';

/** Which rows a query sums: of a tenant (or of none), by profile type and selector, of the last hour. */
export interface Asked {
  readonly url: string;
  readonly tenant?: string;
  readonly kind: string;
  readonly selector: string;
}

/** All the time that these tests can take. */
export function lastHour(): { startMs: number; endMs: number } {
  return { startMs: Date.now() - 3_600_000, endMs: Date.now() + 60_000 };
}

/** The sum of all values. */
export async function storedSum(asked: Asked): Promise<bigint> {
  const { sample } = await merged(asked);
  return sample.reduce((sum, { value }) => sum + value[0]!, 0n);
}

/** All strings: of functions, of files. */
export async function storedStrings(asked: Asked): Promise<string> {
  const { stringTable } = await merged(asked);
  return stringTable.map((bytes) => Buffer.from(bytes).toString()).join('\n');
}

/** Cumulative values of two functions, each named by a part of its name, and of all. */
export async function shares(asked: Asked, loops: { hot: string; cold: string }): Promise<Shares> {
  const profile = await merged(asked);
  const nameOf = new Map(
    profile.function.map(({ id, name }) => [id, Buffer.from(profile.stringTable[Number(name)]!).toString()]),
  );
  const namesOf = new Map(
    profile.location.map(({ id, line }) => [id, line.map(({ functionId }) => nameOf.get(functionId)!)]),
  );
  const sums = { hot: 0n, cold: 0n, all: 0n };
  for (const { locationId, value } of profile.sample) {
    const names = locationId.flatMap((id) => namesOf.get(id) ?? []);
    sums.all += value[0]!;
    if (names.some((name) => name.includes(loops.hot))) sums.hot += value[0]!;
    else if (names.some((name) => name.includes(loops.cold))) sums.cold += value[0]!;
  }
  return sums;
}

export interface Shares {
  readonly hot: bigint;
  readonly cold: bigint;
  readonly all: bigint;
}

async function merged({ url, tenant, kind, selector }: Asked): Promise<ReturnType<typeof readPprof>> {
  const { startMs, endMs } = lastHour();
  const request = { profileTypeID: kind, labelSelector: selector, start: String(startMs), end: String(endMs) };
  const { profile } = await query(url, 'SelectMergeProfile', request, { tenant });
  return readPprof(profile as Uint8Array);
}
