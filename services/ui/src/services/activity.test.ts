import { afterEach, describe, expect, it, vi } from 'vitest';
import { Client } from '../api/client.ts';
import { askActivity, refusalOf, refusalText, type Activity } from './activity.ts';

afterEach(() => vi.unstubAllGlobals());

const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const MEMORY = 'memory:inuse_space:bytes:space:bytes';
const LARGEST = 2 ** 63;

interface Asked {
  readonly profileTypeID: string;
  readonly labelSelector: string;
}

/** What the page makes of a server that answers so, and the selectors that it asked. */
async function activityOf(
  kinds: readonly string[],
  serve: (asked: Asked) => Response,
): Promise<{ activity: Activity; selectors: string[] }> {
  const selectors: string[] = [];
  vi.stubGlobal('fetch', async (_: URL, init: RequestInit) => {
    const asked = JSON.parse(init.body as string) as Asked;
    selectors.push(asked.labelSelector);
    return serve(asked);
  });
  const client = new Client('http://kiln.test/', '', { reached: () => {}, troubled: () => {} });
  const range = { fromMs: 1, untilMs: 60_000 };
  const answer = await askActivity(client, kinds, range, 30_000, new AbortController().signal);
  if (!answer.ok) throw new Error(answer.trouble.message);
  return { activity: answer.value, selectors };
}

const seriesOf = (values: Readonly<Record<string, readonly number[]>>): Response =>
  Response.json({
    series: Object.entries(values).map(([value, points]) => ({
      labels: [{ name: 'service_name', value }],
      points: points.map((point, i) => ({ value: point, timestamp: `${(i + 1) * 30_000}` })),
    })),
  });
const refuse = (message: string): Response => Response.json({ code: 'out_of_range', message }, { status: 400 });

describe('the activity of services', () => {
  it('is that of all but the one whose sum is refused, which says why', async () => {
    const sentence = 'the sum of the selected values of {service_name="b\\"ig"} is 18446744073709551614';
    const { activity, selectors } = await activityOf([CPU], ({ labelSelector }) =>
      labelSelector === '{}' ? refuse(sentence) : seriesOf({ shop: [5] }),
    );
    expect(selectors).toEqual(['{}', '{service_name!="b\\"ig"}']);
    expect(activity.series.get(CPU)!.get('shop')!.values).toEqual([5]);
    expect(refusalOf(activity, CPU, 'shop')).toBeUndefined();
    expect(refusalText(refusalOf(activity, CPU, 'b"ig')!)).toBe(`CPU time of b"ig is not shown: ${sentence}`);
  });

  it('is that of all other kinds where one is refused as a whole', async () => {
    const { activity, selectors } = await activityOf([CPU, MEMORY], ({ profileTypeID }) =>
      profileTypeID === CPU ? refuse('too many series') : seriesOf({ shop: [7] }),
    );
    expect(selectors).toEqual(['{}', '{}']);
    expect(refusalOf(activity, MEMORY, 'shop')).toBeUndefined();
    expect(refusalText(refusalOf(activity, CPU, 'shop')!)).toBe(
      'CPU time of all services is not shown: too many series',
    );
  });

  it('asks for a bounded number of times, whomever the server names', async () => {
    const always = await activityOf([CPU], () => refuse('{service_name="a"}'));
    expect(always.selectors).toHaveLength(2);
    let count = 0;
    const other = await activityOf([CPU], () => refuse(`{service_name="s${count++}"}`));
    expect(other.selectors.length).toBeLessThan(12);
    expect(refusalOf(other.activity, CPU, 'another')).toBeDefined();
  });

  it('of which the server would refuse the sum is not added up here either', async () => {
    const { activity } = await activityOf([CPU], () => seriesOf({ big: [LARGEST, LARGEST], one: [LARGEST, 0] }));
    expect(refusalOf(activity, CPU, 'big')!.message).toContain('int64');
    expect(refusalOf(activity, CPU, 'one')).toBeUndefined();
  });
});
