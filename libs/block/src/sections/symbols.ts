import { ByteReader, ByteWriter } from '@kiln/bytes';
import type { Symbols } from '@kiln/model';
import { readSymbols, writeSymbols } from '../record/record-symbols.ts';

export function encodeSymbols(symbols: Symbols): Uint8Array {
  const w = new ByteWriter(4096);
  writeSymbols(w, symbols, symbols.strings);
  return w.view();
}

export function decodeSymbols(payload: Uint8Array): Symbols {
  const r = new ByteReader(payload, 'section SYMBOLS');
  const symbols = readSymbols(r);
  if (r.left > 0) r.fail(`${r.left} bytes behind the last stack`);
  return symbols;
}
