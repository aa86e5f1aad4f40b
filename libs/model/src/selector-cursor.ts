import { KilnError } from './errors.ts';

/** Where a selector is being read, and the errors that say so. */
export class SelectorCursor {
  readonly text: string;
  position = 0;

  constructor(text: string) {
    this.text = text;
  }

  atEnd(): boolean {
    return this.position >= this.text.length;
  }

  /** The next UTF-16 code unit, '' at the end. */
  peek(): string {
    return this.text.charAt(this.position);
  }

  /** Passes `token` when it comes next. */
  take(token: string): boolean {
    if (!this.text.startsWith(token, this.position)) return false;
    this.position += token.length;
    return true;
  }

  expect(token: string, expected: string): void {
    if (!this.take(token)) this.fail(expected);
  }

  /** What the sticky `form` matches here, and undefined when it does not. */
  identifier(form: RegExp): string | undefined {
    form.lastIndex = this.position;
    const found = form.exec(this.text)?.[0];
    if (found !== undefined) this.position += found.length;
    return found;
  }

  /** Spaces, tabs, line ends, and comments from `#` to the end of the line. */
  skipSpace(): void {
    for (;;) {
      const char = this.peek();
      if (char === '#') {
        const end = this.text.indexOf('\n', this.position);
        this.position = end < 0 ? this.text.length : end;
      } else if (char === ' ' || char === '\t' || char === '\n' || char === '\r') {
        this.position++;
      } else {
        return;
      }
    }
  }

  fail(expected: string): never {
    const rest = this.text.slice(this.position, this.position + 20);
    this.failAt(this.position, rest === '' ? 'the end' : JSON.stringify(rest), expected);
  }

  failAt(position: number, found: string, expected: string): never {
    throw new KilnError(
      'invalid_argument',
      `invalid selector at character ${position + 1}: found ${found}, expected ${expected}`,
    );
  }
}

/** A quoted string of PromQL. Escapes may spell bytes; the whole must be UTF-8. */
export function readQuoted(cursor: SelectorCursor, expected: string): string {
  const start = cursor.position;
  const mark = cursor.peek();
  if (mark !== '"' && mark !== "'" && mark !== '`') cursor.fail(expected);
  cursor.position++;
  if (mark === '`') return readRaw(cursor, start);
  const pieces: Uint8Array[] = [];
  let plain = cursor.position;
  for (;;) {
    const char = cursor.peek();
    if (char === '' || char === '\n')
      cursor.failAt(start, `a string without its closing ${mark}`, 'it on the same line');
    if (char !== mark && char !== '\\') {
      cursor.position++;
      continue;
    }
    pieces.push(encoder.encode(cursor.text.slice(plain, cursor.position)));
    cursor.position++;
    if (char === mark) break;
    pieces.push(readEscape(cursor, mark));
    plain = cursor.position;
  }
  return decode(cursor, start, pieces);
}

function readRaw(cursor: SelectorCursor, start: number): string {
  const end = cursor.text.indexOf('`', cursor.position);
  if (end < 0) cursor.failAt(start, 'a string without its closing `', 'it before the end');
  const raw = cursor.text.slice(cursor.position, end);
  cursor.position = end + 1;
  return raw;
}

/** Behind a backslash: Go's escapes, of which `\x` and octal mean a byte, `\u` and `\U` a code point. */
function readEscape(cursor: SelectorCursor, mark: string): Uint8Array {
  const at = cursor.position - 1;
  const char = cursor.peek();
  cursor.position++;
  const simple = SIMPLE_ESCAPES[char];
  if (simple !== undefined) return Uint8Array.of(simple);
  if (char === mark) return encoder.encode(mark);
  const digits = char === 'x' ? 2 : char === 'u' ? 4 : char === 'U' ? 8 : 0;
  if (digits > 0) {
    const hex = cursor.text.slice(cursor.position, cursor.position + digits);
    if (hex.length < digits || !/^[0-9a-fA-F]+$/.test(hex))
      cursor.failAt(at, JSON.stringify(`\\${char}${hex}`), `${digits} hexadecimal digits`);
    cursor.position += digits;
    const code = Number.parseInt(hex, 16);
    if (char === 'x') return Uint8Array.of(code);
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
      cursor.failAt(at, `\\${char}${hex}`, 'a Unicode code point');
    return encoder.encode(String.fromCodePoint(code));
  }
  const octal = cursor.text.slice(at + 1, at + 4);
  if (!/^[0-3][0-7]{2}$/.test(octal))
    cursor.failAt(
      at,
      JSON.stringify(`\\${char}`),
      `an escape of Go: \\a \\b \\f \\n \\r \\t \\v \\\\ \\${mark} \\x \\u \\U or octal`,
    );
  cursor.position = at + 4;
  return Uint8Array.of(Number.parseInt(octal, 8));
}

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92 };

function decode(cursor: SelectorCursor, start: number, pieces: Uint8Array[]): string {
  if (pieces.length === 1) return cursor.text.slice(start + 1, cursor.position - 1);
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  try {
    return decoder.decode(bytes);
  } catch {
    return cursor.failAt(start, 'a string whose bytes are not UTF-8', 'UTF-8');
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
