import { randomFaults } from '@kiln/disk';
import { seededRandom } from '@kiln/async';
import { KilnError } from '@kiln/model';
import { describe, expect, test } from 'vitest';
import { faultyStore } from './faulty-store.ts';
import type { ObjectStore } from './object-store.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const plain = async (store: ObjectStore, key: string): Promise<string | undefined> => {
  const found = await store.get(key);
  return found && new TextDecoder().decode(found.bytes);
};
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof KilnError ? error.code : `not a KilnError: ${String(error)}`),
  );

/** What every object store promises. `make` gives an empty one. */
export function storeContract(name: string, make: () => Promise<ObjectStore>): void {
  describe(`the object store contract: ${name}`, { timeout: 60_000 }, () => {
    test('an object is read back whole, with its tag', async () => {
      const store = await make();
      expect(await store.get('a/b')).toBeUndefined();
      await store.put('a/b', text('one'));
      await store.put('empty', new Uint8Array(0));
      const first = await store.get('a/b');
      expect(await plain(store, 'a/b')).toBe('one');
      expect((await store.get('empty'))?.bytes.length).toBe(0);
      await store.put('a/b', text('two'));
      expect(await plain(store, 'a/b')).toBe('two');
      expect((await store.get('a/b'))?.etag).not.toBe(first?.etag);
    });

    test('what was stored or read shares no memory with the caller', async () => {
      const store = await make();
      const bytes = text('mine');
      await store.put('k', bytes);
      bytes.fill(0);
      (await store.get('k'))!.bytes.fill(0);
      (await store.getRange('k', 0, 4))!.fill(0);
      expect(await plain(store, 'k')).toBe('mine');
    });

    test('a range is cut at the end, and counts from the end when negative', async () => {
      const store = await make();
      await store.put('digits', text('0123456789'));
      const f = async (offset: number, length: number, want: string | undefined, key = 'digits'): Promise<void> => {
        const found = await store.getRange(key, offset, length);
        expect(found && new TextDecoder().decode(found), `${offset}, ${length}`).toBe(want);
      };
      await f(0, 10, '0123456789');
      await f(2, 3, '234');
      await f(8, 5, '89');
      await f(10, 1, '');
      await f(99, 1, '');
      await f(3, 0, '');
      await f(-3, 2, '78');
      await f(-3, 9, '789');
      await f(-99, 4, '0123');
      await f(0, 1, undefined, 'nothing');
      expect(await codeOf(store.getRange('digits', 0, -1))).toBe('invalid_argument');
      expect(await codeOf(store.getRange('digits', 0.5, 1))).toBe('invalid_argument');
    });

    test('put if absent writes once', async () => {
      const store = await make();
      const first = await store.putIfAbsent('deep/er/key', text('one'));
      expect(first).toEqual({ written: true, etag: (await store.get('deep/er/key'))?.etag });
      expect(await store.putIfAbsent('deep/er/key', text('two'))).toEqual({ written: false });
      expect(await plain(store, 'deep/er/key')).toBe('one');
    });

    test('1000 puts of one absent key have one winner, and its content stays', async () => {
      const store = await make();
      const outcomes = await Promise.all(
        Array.from({ length: 1000 }, (_, i) => store.putIfAbsent('race/key', text(`writer ${i}`))),
      );
      const winners = outcomes.flatMap((outcome, i) => (outcome.written ? [i] : []));
      expect(winners.length).toBe(1);
      expect(await plain(store, 'race/key')).toBe(`writer ${winners[0]}`);
      expect(await store.list('')).toEqual(['race/key']);
    });

    test('put if match writes only over the content with that tag', async () => {
      const store = await make();
      expect(await store.putIfMatch('k', text('x'), 'any')).toEqual({ written: false });
      const made = await store.putIfAbsent('k', text('rev 0'));
      if (!made.written) throw new Error('not written');
      const next = await store.putIfMatch('k', text('rev 1'), made.etag);
      expect(next).toEqual({ written: true, etag: (await store.get('k'))?.etag });
      expect(await store.putIfMatch('k', text('rev 1b'), made.etag)).toEqual({ written: false });
      expect(await plain(store, 'k')).toBe('rev 1');
    });

    test('a chain of compare and set loses no step among 8 writers', async () => {
      const store = await make();
      await store.put('count', text('0 start'));
      const add = async (writer: number): Promise<void> => {
        for (let done = 0; done < 10;) {
          const found = (await store.get('count'))!;
          const count = Number.parseInt(new TextDecoder().decode(found.bytes), 10);
          const outcome = await store.putIfMatch('count', text(`${count + 1} by ${writer}`), found.etag);
          if (outcome.written) done++;
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, writer) => add(writer)));
      expect(Number.parseInt((await plain(store, 'count'))!, 10)).toBe(80);
    });

    test('a list is in byte order of the whole key, by prefix, from a key on, up to a limit', async () => {
      const store = await make();
      const keys = [
        'a-b',
        'a/b',
        'a/c/d',
        'a/c!',
        'a0',
        'A',
        '~',
        'a.b',
        "q'(1)*",
        'log/1/m/000000000001',
        'log/1/m/000000000002',
      ];
      for (const key of keys) await store.put(key, text(key));
      const sorted = keys.toSorted((one, two) => (one < two ? -1 : 1));
      expect(await store.list('')).toEqual(sorted);
      for (const prefix of ['a', 'a/', 'a/c', 'a/c/', 'a/c/d', 'log/1/m/', 'x', 'a/x/', '../', 'a//', '/', '~~']) {
        const want = sorted.filter((key) => key.startsWith(prefix));
        expect(await store.list(prefix), `prefix ${prefix}`).toEqual(want);
      }
      for (const startAfter of [...keys, '', 'a', 'a/', 'a/c', 'a/c/', 'a/zz', 'zz', 'log/1/m/0', '\u{10ffff}']) {
        const want = sorted.filter((key) => key > startAfter);
        expect(await store.list('', { startAfter }), `after ${startAfter}`).toEqual(want);
        expect(await store.list('', { startAfter, limit: 2 }), `after ${startAfter}`).toEqual(want.slice(0, 2));
      }
      for (const limit of [0, -1, 1001, 1.5]) expect(await codeOf(store.list('', { limit }))).toBe('invalid_argument');
    });

    test('a list ends after 1000 keys and goes on from the last', async () => {
      const store = await make();
      const keys = Array.from({ length: 1003 }, (_, i) => `m/${String(i).padStart(12, '0')}`);
      await Promise.all(keys.map((key) => store.putIfAbsent(key, text(key))));
      const first = await store.list('m/');
      expect(first).toEqual(keys.slice(0, 1000));
      expect(await store.list('m/', { startAfter: first.at(-1)! })).toEqual(keys.slice(1000));
    });

    test('what is deleted is gone, also for put if absent; a second time is no error', async () => {
      const store = await make();
      await store.put('a/b/c', text('1'));
      await store.put('a/d', text('2'));
      await store.delete('a/b/c');
      await store.delete('a/b/c');
      await store.delete('never/was');
      expect(await store.get('a/b/c')).toBeUndefined();
      expect(await store.list('')).toEqual(['a/d']);
      expect((await store.putIfAbsent('a/b', text('now an object'))).written).toBe(true);
      await store.delete('a/b');
      await store.delete('a/d');
      await store.put('a', text('free'));
      expect(await store.list('')).toEqual(['a']);
    });

    test('deletes and puts in one folder do not get in each other’s way', async () => {
      const store = await make();
      const work = async (writer: number): Promise<void> => {
        for (let round = 0; round < 10; round++) {
          await store.put(`f/g/${writer}`, text(`${round}`));
          await store.delete(`f/g/${writer}`);
        }
        await store.put(`f/g/${writer}`, text('end'));
      };
      await Promise.all(Array.from({ length: 4 }, (_, writer) => work(writer)));
      expect(await store.list('')).toEqual(['f/g/0', 'f/g/1', 'f/g/2', 'f/g/3']);
    });

    test('a key is never both an object and a prefix of another', async () => {
      const store = await make();
      await store.put('a/b', text('1'));
      expect(await codeOf(store.put('a', text('2')))).toBe('failed_precondition');
      expect(await codeOf(store.putIfAbsent('a', text('2')))).toBe('failed_precondition');
      expect(await codeOf(store.put('a/b/c', text('2')))).toBe('failed_precondition');
      expect(await codeOf(store.putIfAbsent('a/b/c', text('2')))).toBe('failed_precondition');
      expect(await store.get('a')).toBeUndefined();
      expect(await store.getRange('a', 0, 1)).toBeUndefined();
      expect(await store.get('a/b/c')).toBeUndefined();
      expect(await store.putIfMatch('a', text('2'), 'x')).toEqual({ written: false });
      await store.delete('a');
      await store.delete('a/b/c');
      expect(await store.list('')).toEqual(['a/b']);
    });

    test('only keys of the allowed form are taken', async () => {
      const store = await make();
      const bad = ['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/../b', './a', 'a b', 'a\\b', 'ä', 'a\0', 'a+b', '+tmp/0'];
      bad.push('x'.repeat(256), `${'x/'.repeat(512)}x`);
      for (const key of bad) {
        expect(await codeOf(store.put(key, text('x'))), `key ${key}`).toBe('invalid_argument');
        expect(await codeOf(store.putIfAbsent(key, text('x'))), `key ${key}`).toBe('invalid_argument');
        expect(await codeOf(store.putIfMatch(key, text('x'), 'y')), `key ${key}`).toBe('invalid_argument');
        expect(await codeOf(store.get(key)), `key ${key}`).toBe('invalid_argument');
        expect(await codeOf(store.getRange(key, 0, 1)), `key ${key}`).toBe('invalid_argument');
        expect(await codeOf(store.delete(key)), `key ${key}`).toBe('invalid_argument');
      }
      for (const key of ["az-AZ.09!_*'()~", 'x'.repeat(255), '...', 'tmp/0', `${'x/'.repeat(511)}x`]) {
        await store.put(key, text(key));
        expect(await plain(store, key)).toBe(key);
      }
    });

    test('with errors before and after the effect, and calls that overtake each other, a retried put if absent takes effect once', async () => {
      const inner = await make();
      const random = seededRandom(5);
      const error = (): Error => new KilnError('unavailable', 'planned');
      const store = faultyStore(inner, randomFaults(random, { before: 0.2, after: 0.2, overtaken: 0.5 }, error));
      const commit = async (writer: number): Promise<void> => {
        for (;;) {
          try {
            // Outcome unknown or lost: the key is read back, as a commit does.
            await store.putIfAbsent('once', text(`writer ${writer}`));
            if ((await store.get('once')) !== undefined) return;
          } catch {
            // planned
          }
        }
      };
      const seen: (string | undefined)[] = [];
      await Promise.all(
        Array.from({ length: 20 }, async (_, writer) => {
          await commit(writer);
          seen.push(await plain(inner, 'once'));
        }),
      );
      expect(new Set(seen).size).toBe(1);
    });
  });
}
