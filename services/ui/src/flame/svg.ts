import { nameText } from '@kiln/model';
import { paletteOf, rowColours, type Theme } from './colours.ts';
import { depthOf, frameTree, type FrameTree } from './frame-tree.ts';
import { leafName, shortName } from './function-names.ts';
import type { FlameData, FlameDiffData, FlameState } from './props.ts';
import { sentenceOf, valueText } from './texts.ts';
import { invertedTree } from './views.ts';
import { Boxes, findVisible } from './visible.ts';

const WIDTH = 1400;
const ROW = 18;
const HEAD = 34;
/** Pixels per character of the font. */
const CHARACTER = 6.3;

/**
 * The graph as one SVG that needs nothing else: names in the boxes, values when the pointer rests on one. It shows all samples in the direction and the
 * colours of `state`; what is narrower than a pixel is drawn together, as on the page.
 * @throws KilnError `data_loss` when the numbers of the answer contradict each other.
 */
export function flameSvg(data: FlameData | FlameDiffData, state: FlameState, title: string, theme: Theme): string {
  const read = frameTree(data);
  const tree = state.inverted ? invertedTree(read, []).tree : read;
  const mode = tree.sides === undefined ? state.colours : 'change';
  const { fills, text, background } = paletteOf(mode, theme);
  const depths = tree.levels.length - 1;
  const boxes = new Boxes();
  findVisible(tree, { from: 0, to: tree.total[0]!, width: WIDTH, top: 0, bottom: depths }, boxes);
  const colour = rowColours(tree, mode);
  const described = { unit: data.unit, kind: data.kind, whole: tree.total[0]!, focus: 0, upwards: state.inverted };
  const parts: string[] = [];
  for (let i = 0; i < boxes.length; i++) {
    const row = boxes.row[i]!;
    const hover = boxes.count[i] === 1 ? sentenceOf(tree, row, described) : `${boxes.count[i]} narrow frames`;
    const label = labelOf(tree, row, boxes.width[i]!);
    const [x, y] = [boxes.x[i]!, HEAD + depthOf(tree, row) * ROW];
    parts.push(
      `<g><title>${escapeXml(hover)}</title><rect x="${x.toFixed(2)}" y="${y}" width="${Math.max(0.5, boxes.width[i]! - 1).toFixed(2)}" height="${ROW - 1}" rx="2" fill="${fills[colour[row]!]}"/>${label === '' ? '' : `<text x="${(x + 4).toFixed(1)}" y="${y + 12.5}">${escapeXml(label)}</text>`}</g>\n`,
    );
  }
  const height = HEAD + depths * ROW + 8;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="100%" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="10.5">
<style>g:hover rect { stroke: ${text}; stroke-width: 1 } text { fill: ${text}; pointer-events: none } .title { font-size: 13px }</style>
<rect width="${WIDTH}" height="${height}" fill="${background}"/>
<text class="title" x="4" y="20">${escapeXml(title)} · ${escapeXml(valueText(tree.total[0]!, data.unit))}</text>
${parts.join('')}</svg>
`;
}

function labelOf({ names, name }: FrameTree, row: number, width: number): string {
  const room = Math.floor((width - 8) / CHARACTER);
  if (room < 3) return '';
  const whole = nameText(names[name[row]!]!);
  const fitting = [whole, shortName(whole), leafName(whole)].find((text) => text.length <= room);
  return fitting ?? `${leafName(whole).slice(0, room - 1)}…`;
}

/** Also drops what XML cannot carry. */
function escapeXml(text: string): string {
  return text
    .replaceAll(/\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
