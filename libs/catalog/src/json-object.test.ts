import { crc32 } from 'node:zlib';
import { CorruptDataError } from '@kiln/bytes';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeJsonObject, encodeJsonObject } from './json-object.ts';

const decode = (bytes: Uint8Array) => decodeJsonObject(crc32, 'log/trim', bytes, 2);

describe('small objects', () => {
  test('are one line of JSON and a line with its CRC-32', () => {
    const bytes = encodeJsonObject(crc32, { version: 1, name: 'ü\n' });
    const [line, check, rest] = new TextDecoder().decode(bytes).split('\n');
    expect([line, check, rest]).toEqual([
      '{"version":1,"name":"ü\\n"}',
      crc32(line!).toString(16).padStart(8, '0'),
      '',
    ]);
    expect(decode(bytes).text('name')).toBe('ü\n');
  });

  test('any changed, missing or added byte is noticed and the object is named', () => {
    const bytes = encodeJsonObject(crc32, { version: 1, text: 'some text' });
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [1, 32, 255]) {
        const damaged = bytes.slice();
        damaged[at]! ^= flip;
        expect(() => decode(damaged)).toThrow(/^corrupt log\/trim/);
      }
      expect(() => decode(bytes.slice(0, at))).toThrow(CorruptDataError);
    }
    expect(() => decode(new Uint8Array([...bytes, 10]))).toThrow(CorruptDataError);
  });

  test('random bytes are corrupt, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(() => decode(bytes)).toThrow(CorruptDataError);
      }),
    );
  });

  test('a newer version is refused with a sentence, an unknown field is skipped', () => {
    expect(() => decode(encodeJsonObject(crc32, { version: 3 }))).toThrow(
      /log\/trim has version 3, this build of Kiln reads up to 2/,
    );
    expect(decode(encodeJsonObject(crc32, { version: 2, later: 7, n: 5 })).whole('n')).toBe(5);
  });

  test('a field of the wrong kind is named with its path', () => {
    const fields = decode(encodeJsonObject(crc32, { version: 1, items: [{ n: 1 }, { n: 1.5 }], n: -1, f: 0 }));
    expect(() => fields.list('items', (item) => item.whole('n'))).toThrow('items[1].n is 1.5, want a whole number');
    expect(() => fields.whole('n', 0)).toThrow('n is -1');
    expect(() => fields.whole('absent')).toThrow('absent is missing');
    expect(() => fields.text('n')).toThrow('n is -1, want a text');
    expect(() => fields.flag('f')).toThrow('f is 0, want true or false');
    expect(() => fields.whole('toString')).toThrow('toString is missing');
    expect(() => fields.list('n', () => 0)).toThrow('n is -1, want a list');
    expect(() => decode(encodeJsonObject(crc32, { version: '1' } as never))).toThrow('version is "1"');
  });
});
