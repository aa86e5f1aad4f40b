import { KilnError } from '@kiln/model';
import { describe, expect, test } from 'vitest';
import { CALM } from './line.ts';
import type { CompactorNode } from './roles.ts';
import { ANN, BOB, Stage } from './stage.ts';
import { HOUR, MINUTE } from './world.ts';

/** What a store that is compacted, merged and partly past retention looks like a moment before a round that has all of this to do. */
async function muchToDo(): Promise<Stage> {
  const stage = await Stage.open({ retentionMs: 20 * HOUR });
  await stage.start();
  for (let round = 0; round < 4; round++) {
    await stage.push(3);
    await stage.push(2, 15 * HOUR);
    await stage.cut();
    await stage.compact();
    await stage.world.clock.advance(2 * HOUR);
  }
  await stage.push(3);
  await stage.cut();
  await stage.push(2);
  return stage;
}

/** It dies when it reaches the step for the `count`-th time. */
function dieAt(node: CompactorNode, step: string, count: number): CompactorNode {
  let left = count;
  node.life.atStep = (name) => {
    if (name === step && --left === 0) node.life.die();
  };
  return node;
}

/** Blocks and segments that are stored although nobody names them. */
function orphans(stage: Stage): string[] {
  const named = [...stage.world.stored.objects]
    .filter(([key]) => key.endsWith('/index') || key.includes('/m/'))
    .map(([, { bytes }]) => Buffer.from(bytes).toString());
  return [...stage.keys('/b/'), ...stage.keys('/s/')].filter((key) => !named.some((text) => text.includes(key)));
}

describe('an owner', () => {
  test('row 3: killed between segment and manifest loses nothing and doubles nothing, and the orphan is swept', async () => {
    const stage = await Stage.open();
    const { life } = await stage.start();
    life.atStep = (step) => (step === 'after-segment' ? life.die() : undefined);
    await stage.push(3);
    await stage.cut();
    expect(life.dead).toBe(true);
    expect(orphans(stage).length).toBeGreaterThan(0);
    await stage.start();
    await stage.exact();
    await stage.cut();
    await stage.exact();
    await stage.compact();
    await stage.exact();
    expect(orphans(stage)).toEqual([]);
  });

  test('row 4: killed after the manifest starts again at the new tip', async () => {
    const stage = await Stage.open();
    const { life } = await stage.start();
    life.atStep = (step) => (step === 'after-manifest' ? life.die() : undefined);
    await stage.push(3);
    await stage.cut();
    expect(life.dead).toBe(true);
    const manifests = stage.keys('/m/');
    expect(manifests.length).toBeGreaterThan(0);
    await stage.start();
    await stage.exact();
    await stage.cut();
    await stage.exact();
    expect(stage.keys('/m/')).toEqual(expect.arrayContaining(manifests));
  });

  test('row 5: whose manifest is stored but not answered recognises it as its own', async () => {
    const stage = await Stage.open();
    await stage.start();
    let lost = 0;
    stage.world.plan = (operation, key) =>
      operation === 'putIfAbsent' && key.includes('/m/') && lost++ < 2 ? 'after' : undefined;
    await stage.push(3);
    await stage.cut();
    expect(lost).toBeGreaterThan(0);
    const manifests = stage.keys('/m/').length;
    await stage.cut();
    expect(stage.keys('/m/')).toHaveLength(manifests);
    await stage.exact();
  });

  test('row 19: with a long backlog stays in its budget, answers nothing before it has read all of it, and then everything', async () => {
    const stage = await Stage.open({ budgetBytes: 24_000 });
    const { life } = await stage.start();
    await stage.push(1);
    life.die();
    for (let i = 0; i < 60; i++) await stage.push(3);
    stage.world.weather = { ...CALM, slow: 0.5 }; // reading takes minutes
    await stage.start();
    await expect(stage.exact()).rejects.toThrow(/records of its log still to read|it is opening/);
    await stage.world.clock.advance(30 * MINUTE);
    stage.world.weather = CALM;
    await stage.exact();
    expect(stage.world.tally.of('pauses over budget')).toBeGreaterThan(0);
  });

  test('row 20: outlasts half an hour without a store: pushes go on, heads stay in their budget, and then everything is there', async () => {
    const stage = await Stage.open({ budgetBytes: 24_000 });
    await stage.start();
    stage.world.weather = { ...CALM, errorBefore: 1 };
    for (let minute = 0; minute < 30; minute++) {
      await stage.push(3);
      await stage.world.clock.advance(MINUTE);
    }
    expect(stage.world.tally.of('pauses over budget')).toBeGreaterThan(0);
    stage.world.weather = CALM;
    await stage.world.clock.advance(MINUTE);
    await stage.exact();
  });

  test('row 21: whose store takes seconds and refuses a third of all calls commits all the same', async () => {
    const stage = await Stage.open();
    await stage.start();
    stage.world.weather = { ...CALM, slow: 1, errorBefore: 0.3, errorAfter: 0.1 };
    await stage.push(3);
    await stage.world.clock.advance(20 * MINUTE);
    stage.world.weather = CALM;
    expect(stage.keys('/m/').length).toBeGreaterThan(0);
    await stage.exact();
  });

  test.each([1, -1])(
    'row 36: whose clock, or that of everybody else, jumps %d h answers exactly and goes on cutting',
    async (hours) => {
      const stage = await Stage.open();
      const { life } = await stage.start();
      const compactor = stage.compactor();
      const reader = stage.reader();
      for (const jump of [
        () => (life.skewMs = hours * HOUR),
        () => (stage.world.logSkewMs = hours * HOUR),
        () => (compactor.life.skewMs = hours * HOUR),
        () => reader.setSkew(hours * HOUR),
        () => (life.skewMs = 0),
      ]) {
        const manifests = stage.keys('/m/').length;
        const sent = await stage.push(2);
        jump();
        await stage.world.clock.run(stage.clients.push(sent.slice(0, 1)));
        await stage.exact(reader);
        await stage.cut();
        expect(stage.keys('/m/').length).toBeGreaterThan(manifests);
        await stage.compact(compactor);
        await stage.exact(reader);
      }
    },
  );
});

interface StoredManifest {
  readonly object: string;
  readonly tenants: readonly { readonly off: number; readonly len: number }[];
}

function manifestsOf(stage: Stage): StoredManifest[] {
  return stage.keys('/m/').map((key) => {
    const line = Buffer.from(stage.world.stored.objects.get(key)!.bytes).toString().split('\n', 1)[0]!;
    return JSON.parse(line) as StoredManifest;
  });
}

describe('bytes', () => {
  test('row 22: that come damaged once change nothing: they are read again, and nothing goes to quarantine', async () => {
    for (let spoiled = 1; spoiled <= 12; spoiled++) {
      const stage = await Stage.open();
      await stage.start();
      for (let i = 0; i < 3; i++) {
        await stage.push(2);
        await stage.cut();
      }
      let reads = 0;
      stage.world.plan = (operation) => (operation === 'bytes' && ++reads === spoiled ? 'wrong' : undefined);
      await stage.exact();
      reads = 0;
      await stage.compact();
      await stage.exact();
      expect(stage.keys('/q/')).toEqual([]);
    }
  });

  test('row 22: that are damaged where they lie are told: answers are flagged, compaction keeps them for people and goes on', async () => {
    let noticed = 0;
    for (let twentieth = 0; twentieth < 20; twentieth++) {
      const stage = await Stage.open();
      await stage.start();
      await stage.push(3);
      await stage.cut();
      const { object: key, tenants } = manifestsOf(stage)[0]!;
      const { off, len } = tenants[twentieth % tenants.length]!;
      stage.flip(key, off + Math.floor((twentieth / 20) * len));
      await stage.ask(); // exact where the damage is in what a query does not read
      await stage.compact();
      await stage.push(2);
      await stage.cut();
      await stage.compact();
      const kept = stage.keys('/q/').length;
      // Between two regions lie bytes without a meaning: then nothing is wrong with any answer.
      if (kept === 0) {
        await stage.exact();
        continue;
      }
      noticed++;
      expect(kept).toBe(1);
      const flagged = (await stage.ask()).filter((answer) => answer.flagged);
      expect(flagged.length).toBeGreaterThan(0);
      for (const { why } of flagged) expect(why).toContain(key);
    }
    expect(noticed).toBeGreaterThan(15);
  });

  test('row 22: of a block that are damaged are told, and the block is merged no more', async () => {
    const stage = await Stage.open();
    await stage.start();
    for (let i = 0; i < 2; i++) {
      await stage.push(2);
      await stage.cut();
      await stage.compact();
    }
    const [key] = stage.keys('/b/');
    stage.flip(key!, 100);
    await stage.world.clock.advance(7 * HOUR);
    await stage.compact();
    expect(stage.keys('/b/')).toContain(key);
    // Exact where chance asks for what is not damaged: totals of rows.
    const answers = [];
    for (let times = 0; times < 8; times++) answers.push(...(await stage.ask()));
    expect(answers.some(({ flagged }) => flagged)).toBe(true);
  });

  test('row 24: a list that never shows what is new changes no answer', async () => {
    const stage = await Stage.open();
    stage.world.weather = { ...CALM, oldList: 1 };
    for (let i = 0; i < 3; i++) {
      const node = await stage.start();
      await stage.push(2);
      await stage.exact();
      await stage.cut();
      await stage.exact();
      await stage.compact();
      await stage.exact();
      node.life.die();
    }
    expect(stage.world.tally.of('store: list is late')).toBeGreaterThan(0);
  });
});

describe('a compactor', () => {
  test.each([
    'before-blocks',
    'after-block',
    'after-blocks',
    'after-commit',
    'after-retain',
    'after-trim',
    'after-segment-delete',
    'after-manifest-delete',
  ])('row 25: killed %s, again and again, is a repeat that changes nothing', async (step) => {
    const stage = await muchToDo();
    let deaths = 0;
    for (let count = 1; count <= 20; count++) {
      const node = dieAt(stage.compactor(), step, 1 + (count % 2));
      await stage.compact(node);
      if (node.life.dead) deaths++;
      await stage.exact();
      await stage.push(1);
      await stage.cut();
      await stage.world.clock.advance(HOUR);
    }
    expect(deaths).toBeGreaterThan(2);
    await stage.compact();
    await stage.exact();
    // What the dead have left is swept by the next one.
    await stage.compact();
    await stage.world.clock.advance(HOUR + MINUTE);
    await stage.compact();
    await stage.exact();
    expect(orphans(stage)).toEqual([]);
  });

  test('row 26: of two at once each row is in one block, and both janitors may clean', async () => {
    for (let round = 0; round < 10; round++) {
      const stage = await muchToDo();
      // A start of another one at another moment of the first one's round.
      const [one, two] = [stage.compactor(), stage.compactor()];
      one.run(true);
      await stage.world.clock.advance(round * 15);
      two.run(true);
      await stage.world.clock.run(Promise.all([one.round, two.round]));
      await stage.exact();
    }
  });

  test('row 27: that merges what retention takes meanwhile brings nothing back', async () => {
    for (const step of ['before-blocks', 'after-blocks']) {
      const stage = await Stage.open({ retentionMs: 20 * HOUR });
      await stage.start();
      await stage.push(2, 8 * HOUR);
      await stage.cut();
      await stage.compact();
      await stage.push(2, 8 * HOUR);
      await stage.cut();
      // Each tenant gets a second block of a day that is over, then the two are merged: before the first such commit they get too old and go.
      const slow = stage.compactor();
      let reached = 0;
      slow.life.atStep = async (name) => {
        if (name !== step || ++reached !== 3) return;
        await stage.world.clock.sleep(14 * HOUR);
        const janitor = stage.compactor({ enabled: false });
        janitor.run(false);
        await janitor.round;
      };
      await stage.compact(slow);
      expect(reached).toBeGreaterThan(2);
      expect(stage.world.tally.of('blocks past retention')).toBe(4);
      await stage.exact();
      for (const tenant of [ANN, BOB])
        for (const { maxMs } of stage.world.invariants.liveBlocks(tenant))
          expect(maxMs).toBeGreaterThan(stage.world.clock.nowMs() - stage.retentionMs);
    }
  });
});

describe('a reader', () => {
  test('row 28: whose trim and index are hours old plans again, and is exact, refused or flagged, never short', async () => {
    const stage = await Stage.open({ retentionMs: 30 * HOUR });
    await stage.start();
    await stage.push(3);
    await stage.cut();
    const stale = stage.reader({ staleMs: 12 * HOUR, sleepy: 0 });
    await stage.exact(stale);
    let refused = 0;
    for (let hour = 0; hour < 11; hour++) {
      await stage.push(2);
      await stage.cut();
      await stage.compact();
      await stage.world.clock.advance(HOUR - 6 * MINUTE);
      try {
        await stage.ask(stale);
      } catch (error) {
        if (!(error instanceof KilnError) || error.code !== 'unavailable') throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
    await stage.world.clock.advance(2 * HOUR);
    await stage.exact(stale);
  });

  test('row 29: that finds an object deleted plans the whole slice anew, and then answers exactly', async () => {
    const stage = await Stage.open();
    await stage.start();
    for (let i = 0; i < 3; i++) {
      await stage.push(2);
      await stage.cut();
    }
    // All that its first plan names goes between plan and reading.
    let reads = 0;
    stage.world.plan = (operation) => {
      if (operation !== 'getRange' || reads++ > 0) return undefined;
      for (const key of stage.keys('/s/')) gone.set(key, stage.world.stored.objects.get(key)!);
      for (const key of gone.keys()) stage.world.stored.objects.delete(key);
      void stage.world.clock.sleep(5).then(() => {
        for (const [key, object] of gone) stage.world.stored.objects.set(key, object);
      });
      return undefined;
    };
    const gone = new Map<string, { bytes: Uint8Array; etag: string }>();
    await stage.exact();
    expect(gone.size).toBeGreaterThan(0);
    expect(stage.world.tally.of('answers: planned again')).toBeGreaterThan(0);
  });

  test('row 29: that finds an object deleted for good says by name what is missing', async () => {
    const stage = await Stage.open();
    await stage.start();
    await stage.push(2);
    await stage.cut();
    const [key] = stage.keys('/s/');
    stage.world.stored.objects.delete(key!);
    const flagged = (await stage.ask()).filter((answer) => answer.flagged);
    expect(flagged.length).toBeGreaterThan(0);
    for (const { why } of flagged) expect(why).toContain(`${key}: the object is gone`);
  });
});
