import { nameText } from '@kiln/model';
import type { Palette } from './colours.ts';
import { depthOf, type FrameTree } from './frame-tree.ts';
import { leafName, shortName } from './function-names.ts';
import type { Matches } from './search.ts';
import { Boxes, findVisible, type View } from './visible.ts';

/** Height of a level, and the gap between boxes, in pixels. */
export const ROW_HEIGHT = 20;
const GAP = 1;
const PADDING = 5;
/** Boxes from this width on have round corners, and names. */
const ROUND = 8;
const NAMED = 26;
const FONT = '12px system-ui, sans-serif';

/** All that a picture of frames depends on. */
export interface Scene {
  readonly tree: FrameTree;
  readonly colour: Uint8Array;
  readonly palette: Palette;
  readonly matches: Matches | undefined;
  /** The row that fills the view; what lies above it is drawn aside. */
  readonly focus: number;
  /** Depths grow upwards: the root is at the bottom. */
  readonly upwards: boolean;
}

/** Where the scene is looked at: values over the width, and pixels from the top that are scrolled away. */
export interface Camera {
  readonly from: number;
  readonly to: number;
  readonly width: number;
  readonly height: number;
  readonly scroll: number;
}

/** Draws scenes. Keeps what the next picture can use again: columns of boxes, widths of letters, short names. */
export class Painter {
  readonly #boxes = new Boxes();
  #order: Uint32Array = new Uint32Array(4096);
  readonly #widths: Float32Array = new Float32Array(128);
  #names: readonly string[] = [];
  readonly #shorter = new Map<number, readonly [short: string, leaf: string]>();

  /** Draws over all of the canvas. @param ratio device pixels per pixel. */
  paint(context: CanvasRenderingContext2D, scene: Scene, camera: Camera, ratio: number): void {
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = FONT;
    context.textBaseline = 'middle';
    if (this.#widths[65] === 0) this.#measure(context);
    if (this.#names !== scene.tree.names) {
      this.#names = scene.tree.names;
      this.#shorter.clear();
    }
    context.clearRect(0, 0, camera.width, camera.height);
    findVisible(scene.tree, viewOf(scene, camera), this.#boxes);
    const fills = this.#sort(scene);
    this.#fill(context, scene, camera, fills);
    this.#write(context, scene, camera, fills);
  }

  #measure(context: CanvasRenderingContext2D): void {
    for (let code = 32; code < 128; code++) this.#widths[code] = context.measureText(String.fromCharCode(code)).width;
  }

  /** Orders boxes by fill, so that each is set once; the last fill is that of what is left aside. @returns where each ends. */
  #sort({ colour, palette, matches, focus }: Scene): Uint32Array {
    const { length, row, count } = this.#boxes;
    if (this.#order.length < length) this.#order = new Uint32Array(this.#boxes.row.length);
    const aside = palette.fills.length;
    const ends = new Uint32Array(aside + 1);
    const fillOf = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      const first = row[i]!;
      const isAside =
        matches === undefined
          ? first < focus && count[i] === 1
          : matches.before[first + count[i]!] === matches.before[first];
      fillOf[i] = isAside ? aside : colour[first]!;
      ends[fillOf[i]!]!++;
    }
    for (let fill = 1; fill <= aside; fill++) ends[fill]! += ends[fill - 1]!;
    const next = new Uint32Array(aside + 1);
    next.set(ends.subarray(0, aside), 1);
    for (let i = 0; i < length; i++) this.#order[next[fillOf[i]!]!++] = i;
    return ends;
  }

  #fill(context: CanvasRenderingContext2D, scene: Scene, camera: Camera, ends: Uint32Array): void {
    const { depth, x, width } = this.#boxes;
    const order = this.#order;
    const { fills, asideFill } = scene.palette;
    for (let fill = 0, at = 0; fill < ends.length; fill++) {
      const end = ends[fill]!;
      if (at === end) continue;
      context.fillStyle = fill < fills.length ? fills[fill]! : asideFill;
      for (; at < end; at++) {
        const i = order[at]!;
        const y = topOf(scene, camera, depth[i]!);
        const w = width[i]!;
        if (w < ROUND) context.fillRect(x[i]!, y, w > 3 ? w - GAP : w, ROW_HEIGHT - GAP);
        else {
          context.beginPath();
          context.roundRect(x[i]!, y, w - GAP, ROW_HEIGHT - GAP, 2);
          context.fill();
        }
      }
    }
  }

  #write(context: CanvasRenderingContext2D, scene: Scene, camera: Camera, ends: Uint32Array): void {
    const { row, depth, x, width } = this.#boxes;
    const { tree, palette } = scene;
    const aside = ends[palette.fills.length - 1]!;
    context.fillStyle = palette.text;
    for (let at = 0; at < this.#boxes.length; at++) {
      if (at === aside) context.fillStyle = palette.asideText;
      const i = this.#order[at]!;
      if (width[i]! < NAMED) continue;
      const label = this.#label(tree.name[row[i]!]!, width[i]! - 2 * PADDING);
      if (label !== '') context.fillText(label, x[i]! + PADDING, topOf(scene, camera, depth[i]!) + ROW_HEIGHT / 2);
    }
  }

  /** The name as far as it fits: whole, without its package, alone, and else the beginning of that. */
  #label(name: number, room: number): string {
    const text = nameText(this.#names[name]!);
    if (this.#fitting(text, room) === text.length) return text;
    let shorter = this.#shorter.get(name);
    if (shorter === undefined) this.#shorter.set(name, (shorter = [shortName(text), leafName(text)]));
    const [short, leaf] = shorter;
    if (this.#fitting(short, room) === short.length) return short;
    if (this.#fitting(leaf, room) === leaf.length) return leaf;
    let cut = this.#fitting(leaf, room - this.#widths[46]! * 3);
    // Not through the middle of a character of two units.
    if (/[\ud800-\udbff]/.test(leaf[cut - 1] ?? '')) cut--;
    return cut < 2 ? '' : `${leaf.slice(0, cut)}…`;
  }

  /** How many units of a text fit; widths of letters beyond ASCII are taken as that of an M. */
  #fitting(text: string, room: number): number {
    const widths = this.#widths;
    let left = room;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      left -= code < 128 ? widths[code]! : widths[77]!;
      if (left < 0) return i;
    }
    return text.length;
  }
}

function viewOf({ tree, upwards }: Scene, { from, to, width, height, scroll }: Camera): View {
  const depths = tree.levels.length - 1;
  const first = Math.floor(scroll / ROW_HEIGHT);
  const last = Math.ceil((scroll + height) / ROW_HEIGHT);
  return { from, to, width, top: upwards ? depths - last : first, bottom: upwards ? depths - first : last };
}

/** Where a depth begins, in pixels from the top of the canvas. */
export function topOf({ tree, upwards }: Scene, { scroll }: Camera, depth: number): number {
  return (upwards ? tree.levels.length - 2 - depth : depth) * ROW_HEIGHT - scroll;
}

/** The depth at a height of the canvas. */
export function depthAt({ tree, upwards }: Scene, { scroll }: Camera, y: number): number {
  const line = Math.floor((y + scroll) / ROW_HEIGHT);
  return upwards ? tree.levels.length - 2 - line : line;
}

/** A line around a row: of the pointer, or of the cursor. */
export function outline(context: CanvasRenderingContext2D, scene: Scene, camera: Camera, row: number): void {
  const { left, total } = scene.tree;
  const scale = camera.width / (camera.to - camera.from);
  const x = Math.max(0, (left[row]! - camera.from) * scale);
  const right = Math.min(camera.width, (left[row]! + total[row]! - camera.from) * scale);
  if (right <= 0 || x >= camera.width) return;
  context.strokeStyle = scene.palette.outline;
  context.lineWidth = 1.5;
  context.beginPath();
  const y = topOf(scene, camera, depthOf(scene.tree, row));
  context.roundRect(x + 0.5, y + 0.5, Math.max(2, right - x - 2), ROW_HEIGHT - 2, 2);
  context.stroke();
}
