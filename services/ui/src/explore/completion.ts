import { formatSelector, type MatchOp } from '@kiln/model';

/** What can be completed where the cursor stands. Positions are UTF-16 units. */
export interface Completion {
  readonly kind: 'name' | 'operator' | 'value';
  /** What a choice replaces. */
  readonly from: number;
  readonly to: number;
  /** What is typed of it, without quotes. */
  readonly typed: string;
  /** Whose value it is. */
  readonly label: string;
  /** Whether the condition has an operator already. */
  readonly hasOperator: boolean;
  /** Whether what is typed could stand as it is: a name, or a value with both quotes. */
  readonly isWhole: boolean;
  /** The other conditions, as a selector: choices are those that they leave. */
  readonly others: string;
}

/** A piece between two commas, as far as it is typed. */
interface Piece {
  /** Where it begins, and the comma or brace behind it. */
  readonly from: number;
  readonly to: number;
  readonly nameFrom: number;
  readonly nameTo: number;
  readonly name: string;
  readonly op: MatchOp | undefined;
  readonly valueFrom: number;
  /** Behind the closing quote, or where the text of an open one ends. */
  readonly valueTo: number;
  readonly value: string | undefined;
  readonly closed: boolean;
}

/** What can be completed at a cursor; undefined when nothing. The text may be unfinished anywhere. */
export function completionAt(text: string, cursor: number): Completion | undefined {
  const pieces = readPieces(text);
  const piece = pieces.find(({ from, to }) => cursor >= from && cursor <= to);
  if (piece === undefined) return undefined;
  const others = formatSelector(
    pieces.flatMap((other) =>
      other === piece || other.op === undefined || other.value === undefined || !other.closed
        ? []
        : [{ name: other.name, op: other.op, value: other.value }],
    ),
  );
  const common = {
    label: piece.name,
    hasOperator: piece.op !== undefined,
    isWhole: piece.op === undefined || piece.closed,
    others,
  };
  if (cursor <= piece.nameTo)
    return { kind: 'name', from: piece.nameFrom, to: piece.nameTo, typed: piece.name, ...common };
  if (piece.op === undefined || cursor < piece.valueFrom)
    return piece.name === ''
      ? undefined
      : {
          kind: 'operator',
          from: piece.nameTo,
          to: piece.op === undefined ? cursor : piece.valueFrom,
          typed: '',
          ...common,
        };
  if (cursor > piece.valueTo) return undefined;
  return { kind: 'value', from: piece.valueFrom, to: piece.valueTo, typed: piece.value ?? '', ...common };
}

const OPERATORS: readonly MatchOp[] = ['=~', '!~', '!=', '='];

function readPieces(text: string): Piece[] {
  const pieces: Piece[] = [];
  const brace = text.indexOf('{');
  let at = brace < 0 ? 0 : brace + 1;
  for (;;) {
    const piece = readPiece(text, at);
    pieces.push(piece);
    if (text[piece.to] !== ',') return pieces;
    at = piece.to + 1;
  }
}

function readPiece(text: string, from: number): Piece {
  const nameFrom = skipSpace(text, from);
  const quotedName = readString(text, nameFrom);
  const plain = /^[\w.]*/.exec(text.slice(nameFrom))![0];
  const nameTo = quotedName?.to ?? nameFrom + plain.length;
  const opFrom = skipSpace(text, nameTo);
  const op = OPERATORS.find((one) => text.startsWith(one, opFrom));
  const valueFrom = op === undefined ? opFrom : skipSpace(text, opFrom + op.length);
  const value = op === undefined ? undefined : readString(text, valueFrom);
  const valueTo = value?.to ?? valueFrom + (op === undefined ? 0 : /^[^,}\s]*/.exec(text.slice(valueFrom))![0].length);
  const end = /[,}]/.exec(text.slice(valueTo));
  return {
    from,
    to: end === null ? text.length : valueTo + end.index,
    nameFrom,
    nameTo,
    name: quotedName?.text ?? plain,
    op,
    valueFrom,
    valueTo,
    value: value?.text ?? (op === undefined ? undefined : text.slice(valueFrom, valueTo)),
    closed: value?.closed ?? false,
  };
}

/** A string in quotes; one without its closing mark ends before a brace that ends the text. */
function readString(text: string, from: number): { text: string; to: number; closed: boolean } | undefined {
  const mark = text[from];
  if (mark !== '"' && mark !== "'" && mark !== '`') return undefined;
  let inside = '';
  for (let at = from + 1; at < text.length; at++) {
    const char = text[at]!;
    if (char === mark) return { text: inside, to: at + 1, closed: true };
    if (char === '\\' && mark !== '`' && at + 1 < text.length) at++;
    inside += text[at] === 'n' && char === '\\' ? '\n' : text[at]!;
  }
  const open = inside.replace(/\}\s*$/, '');
  return { text: open, to: text.length - (inside.length - open.length), closed: false };
}

function skipSpace(text: string, from: number): number {
  return from + /^\s*/.exec(text.slice(from))![0].length;
}

/** What comes behind a name that is whole: an operator. */
export function behindName(completion: Completion): Completion {
  return { ...completion, kind: 'operator', from: completion.to, typed: '' };
}

/** The text with a choice in place of what was typed, and where the cursor then stands. */
export function complete(text: string, completion: Completion, choice: string): { text: string; cursor: number } {
  const { kind, from, to } = completion;
  const before = text.slice(0, from);
  const behind = text.slice(to);
  const put = kind === 'operator' ? choice : kind === 'name' ? nameText(choice) : valueText(choice);
  const opened = before.includes('{') ? before : `{${before}`;
  const closed = /\}\s*$/.test(behind) ? behind : `${behind}}`;
  return { text: `${opened}${put}${closed}`, cursor: opened.length + put.length };
}

function nameText(name: string): string {
  return /^[a-zA-Z_]\w*$/.test(name) ? name : valueText(name);
}

function valueText(value: string): string {
  // The formatter of selectors knows how to quote.
  return formatSelector([{ name: 'a', op: '=', value }]).slice('{a='.length, -1);
}
