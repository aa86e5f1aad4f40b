/*
 * The page of `./kiln bench --ui`: a flame graph of as many frames as are asked for, without the rest of the page. test/bench/ui-rows.ts builds it, opens it
 * and reads the browser's own counters.
 */
import { useState, type ReactNode } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import { FlameGraph } from './flame-graph.tsx';
import type { FlameData, FlameState } from './props.ts';

/** What a step took, in milliseconds: script, and until the next picture was due. */
interface Took {
  readonly script: number;
  readonly picture: number;
}

declare global {
  // The test drives the page through these.
  var showFrames: (count: number) => Promise<Took>;
  var zoomIn: () => Promise<Took>;
  var searchFor: (text: string) => Promise<Took>;
  var invert: () => Promise<Took>;
}

const FUNCTIONS = 5_000;

/** The same tree for the same count: chains and forks as in real profiles, 10 % of a value a frame's own. */
function framesOf(count: number): FlameData {
  let seed = 42;
  const random = (): number => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  const names = ['total'];
  for (let i = 1; i < FUNCTIONS; i++) names.push(`example.com/shop/part${i % 97}/store.(*Cart${i % 13}).Step${i}`);
  const total = 1e15;
  const levels: number[][] = [[0, total, 0, 0]];
  let above = [{ left: 0, total, self: 0 }];
  for (let made = 1; made < count;) {
    const level: number[] = [];
    const row: typeof above = [];
    let right = 0;
    for (const { left, total: whole, self } of above) {
      const forks = random() < 0.55 ? 1 : 2 + Math.floor(random() * 4);
      let x = left + self;
      let rest = whole - self;
      for (let i = 0; i < forks && made < count && rest >= 1; i++, made++) {
        const width = i + 1 === forks ? rest : Math.max(1, Math.floor(rest * random()));
        const own = Math.floor(width * 0.1);
        level.push(x - right, width, own, 1 + Math.floor(random() * (FUNCTIONS - 1)));
        row.push({ left: x, total: width, self: own });
        x += width;
        right = x;
        rest -= width;
      }
    }
    if (row.length === 0) break;
    levels.push(level);
    above = row;
  }
  return { names, levels, total, unit: 'nanoseconds', kind: 'cpu' };
}

let setState: (change: Partial<FlameState>) => void;
let state: FlameState = { search: '', focus: [], sandwich: undefined, inverted: false, colours: 'package' };

function Page({ data }: { readonly data: FlameData }): ReactNode {
  const [shown, change] = useState(state);
  setState = (part) => change((state = { ...state, ...part }));
  return <FlameGraph data={data} state={shown} onState={setState} theme="light" />;
}

async function timed(step: () => void): Promise<Took> {
  const began = performance.now();
  flushSync(step);
  const script = performance.now() - began;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return { script, picture: performance.now() - began };
}

const root = createRoot(document.getElementById('app')!);
let data: FlameData;
let shows = 0;

globalThis.showFrames = (count) => {
  data = framesOf(count);
  state = { ...state, focus: [], search: '', inverted: false };
  return timed(() => root.render(<Page key={shows++} data={data} />));
};
globalThis.zoomIn = () => {
  // The largest frame of the third level, whose names lead there.
  const path: string[] = [];
  let [left, right] = [0, data.total];
  for (const level of data.levels.slice(1, 4)) {
    let [x, best, from] = [0, 0, 0];
    let name = '';
    for (let i = 0; i < level.length; i += 4) {
      x += level[i]!;
      if (x >= left && x + level[i + 1]! <= right && level[i + 1]! > best) {
        best = level[i + 1]!;
        from = x;
        name = data.names[level[i + 3]!]!;
      }
      x += level[i + 1]!;
    }
    if (best === 0) break;
    path.push(name);
    [left, right] = [from, from + best];
  }
  return timed(() => setState({ focus: path }));
};
globalThis.searchFor = (text) => timed(() => setState({ search: text }));
globalThis.invert = () => timed(() => setState({ inverted: true, focus: [], search: '' }));
