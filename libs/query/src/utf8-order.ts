/** Compares as the UTF-8 bytes of both would: by code point, where `<` compares UTF-16 code units. */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return weight(x) - weight(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all other units. */
function weight(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

/** A copy sorted by UTF-8 bytes. The engine's own order is the same, and much faster, while no text has a unit from U+D800 on. */
export function sortUtf8(texts: Iterable<string>): string[] {
  const list = [...texts];
  return list.some((text) => HIGH_UNIT.test(text)) ? list.toSorted(compareUtf8) : list.toSorted();
}

const HIGH_UNIT = /[\ud800-\uffff]/;
