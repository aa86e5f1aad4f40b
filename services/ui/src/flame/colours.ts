import type { FrameTree } from './frame-tree.ts';
import { packageOf } from './function-names.ts';

export type Theme = 'light' | 'dark';

/** What a picture is drawn with. Text reaches 4.5 : 1 on every fill. */
export interface Palette {
  readonly fills: readonly string[];
  /** Of frames that a search or a focus leaves aside. */
  readonly asideFill: string;
  readonly asideText: string;
  readonly text: string;
  readonly background: string;
  readonly outline: string;
}

const ink: Readonly<Record<Theme, Omit<Palette, 'fills'>>> = {
  light: {
    asideFill: '#eceef1',
    asideText: '#63676f',
    text: '#1c1d22',
    background: '#ffffff',
    outline: '#111318',
  },
  dark: {
    asideFill: '#25272d',
    asideText: '#9298a3',
    text: '#eceef2',
    background: '#16171b',
    outline: '#ffffff',
  },
};

/** Sixteen hues of equal lightness and chroma (OKLCH), each twice. */
const packages: Readonly<Record<Theme, readonly string[]>> = {
  light: words(`#ffb7b0 #fbbc9c #f0c38f #e0cb8b #cad393 #afdaa6 #98debc #89dfd3 #86dce9 #91d7f9 #a4d0ff #bbc8ff #d2c1fd
    #e5bbef #f3b7de #fdb5c5 #eca08f #e5a67a #d7ae6e #c4b86e #aac07b #8cc794 #72caae #64c9c6 #67c5dd #79bfec #92b7f3 #adaef1
    #c5a6e6 #d7a0d5 #e49dc0 #ec9da4`),
  dark: words(`#743e3b #714229 #6a481c #5f4e17 #4f5420 #395a31 #205d44 #035d55 #005b65 #185771 #2f5278 #444c79 #554674
    #624269 #6b3f5d #723d4a #5e2f26 #5a3416 #523909 #473f09 #374416 #224829 #034a39 #004a48 #004756 #11435f #283e63 #393962
    #48345c #523051 #592e45 #5e2e34`),
};

/** From nothing to all. */
const heats: Readonly<Record<Theme, readonly string[]>> = {
  light: words('#e9e4dc #ead9c7 #ecceb2 #efc29e #f2b58c #f5a77c #f7996d #f98961 #fb7858'),
  dark: words('#3a342f #47392d #553c2a #634028 #714227 #804426 #8f4626 #9f4628 #ae462d'),
};

/** From gone, over unchanged, to new. */
const changes: Readonly<Record<Theme, readonly string[]>> = {
  light: words(
    '#58aff4 #73b9f3 #8ac2f2 #a1cbf0 #b7d4ee #ccddeb #e8e3e1 #ebd5cd #edc6b9 #eeb7a5 #eea890 #ee997c #ed8966',
  ),
  dark: words(
    '#0165a1 #195e8f #24577e #2b4f6d #2f485c #33404c #3c3735 #4b3a34 #5b3d32 #6a3f30 #79412d #894229 #984324',
  ),
};

function words(text: string): string[] {
  return text.split(/\s+/);
}

/** What the colour of a frame says: of a diff always how its share changed. */
export type ColourMode = 'package' | 'self' | 'change';

/** The colours of a mode and a theme. */
export function paletteOf(mode: ColourMode, theme: Theme): Palette {
  const fills = { package: packages, self: heats, change: changes }[mode][theme];
  return { ...ink[theme], fills };
}

/** Of every row the number of its fill. */
export function rowColours(tree: FrameTree, mode: ColourMode): Uint8Array {
  if (tree.sides !== undefined) return changeColours(tree);
  return mode === 'self' ? selfColours(tree) : packageColours(tree);
}

/** The same for a package in every picture; a function that tells none has a colour of its own. */
function packageColours({ length, names, name }: FrameTree): Uint8Array {
  const byName = new Uint8Array(names.length);
  for (let i = 0; i < names.length; i++) byName[i] = packageColour(packageOf(names[i]!) || names[i]!);
  const colour = new Uint8Array(length);
  for (let row = 0; row < length; row++) colour[row] = byName[name[row]!]!;
  return colour;
}

/** The number of a package's fill: a hash (FNV-1a) of its name. */
export function packageColour(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & 31;
}

/** By the own value beside the largest of the picture, on the scale of its root, so that a hundredth is still told from nothing. */
function selfColours({ length, self }: FrameTree): Uint8Array {
  const colour = new Uint8Array(length);
  let largest = 0;
  for (let row = 0; row < length; row++) if (self[row]! > largest) largest = self[row]!;
  for (let row = 0; row < length; row++)
    if (self[row]! > 0) colour[row] = Math.min(8, 1 + Math.floor(Math.sqrt(self[row]! / largest) * 8));
  return colour;
}

function changeColours(tree: FrameTree): Uint8Array {
  const colour = new Uint8Array(tree.length);
  for (let row = 0; row < tree.length; row++) colour[row] = 6 + Math.round(shareChange(tree, row) * 6);
  return colour;
}

/** How the share of a row changed from the base to the other side: -1 gone, 0 the same, 1 new; 0.5 is twice as much. */
export function shareChange({ sides }: FrameTree, row: number): number {
  if (sides === undefined) return 0;
  const [base, now] = sides;
  const before = base.whole === 0 ? 0 : base.total[row]! / base.whole;
  const after = now.whole === 0 ? 0 : now.total[row]! / now.whole;
  const larger = before > after ? before : after;
  return larger === 0 ? 0 : (after - before) / larger;
}
