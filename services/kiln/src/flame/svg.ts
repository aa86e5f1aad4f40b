import { nameText } from '@kiln/model';
import { flameNodes, shareOf, type FlameNode } from './flame-tree.ts';
import { valueText, type Values } from '../values.ts';

const WIDTH = 1200;
const ROW = 18;
const HEAD = 34;
/** Pixels per character of the 11 px font, and the narrowest box that is drawn. */
const CHARACTER = 6.4;
const NARROWEST = 0.05;

/** A flame graph as one SVG that needs nothing else: root on top, names in the boxes, share and value when the pointer rests on one. */
export function flameSvg<N extends Omit<FlameNode, 'children'> & { readonly children: N[] }>(
  root: N,
  title: string,
  values: Values,
  look: Look<N> = { colour: (node) => colourOf(node.name), hover: (node) => hoverText(node, root, values) },
): string {
  let depths = 0;
  let boxes = '';
  for (const { node, depth } of flameNodes(root)) {
    const width = shareOf(node.total, root.total) * WIDTH;
    if (width < NARROWEST) continue;
    depths = Math.max(depths, depth);
    const place = { x: shareOf(node.x, root.total) * WIDTH, y: HEAD + depth * ROW, width };
    boxes += box(nameText(node.name), place, look.hover(node, root), look.colour(node, root));
  }
  const height = HEAD + (depths + 1) * ROW + 8;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="100%" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="11">
<style>rect { stroke: #fff; stroke-width: .5 } g:hover rect { stroke: #000; stroke-width: 1 } text { fill: #222; pointer-events: none } .title { font-size: 13px }</style>
<rect width="${WIDTH}" height="${height}" fill="#fffdf8" stroke="none"/>
<text class="title" x="4" y="20">${escapeXml(title)} · ${escapeXml(valueText(root.total, values))}</text>
${boxes}</svg>
`;
}

/** How a box is filled, and what is said when the pointer rests on it. */
interface Look<N> {
  readonly colour: (node: N, root: N) => string;
  readonly hover: (node: N, root: N) => string;
}

function hoverText(node: Omit<FlameNode, 'children'>, root: Omit<FlameNode, 'children'>, values: Values): string {
  const share = (shareOf(node.total, root.total) * 100).toFixed(2);
  const own = node.self === 0n ? '' : `, itself ${valueText(node.self, values)}`;
  return `${nameText(node.name)}: ${share}%, ${valueText(node.total, values)}${own}`;
}

function box(
  name: string,
  { x, y, width }: { x: number; y: number; width: number },
  hover: string,
  colour: string,
): string {
  const room = Math.floor((width - 6) / CHARACTER);
  const label = room < 3 ? '' : name.length <= room ? name : `${name.slice(0, room - 1)}…`;
  const text = label === '' ? '' : `<text x="${(x + 3).toFixed(1)}" y="${y + 12.5}">${escapeXml(label)}</text>`;
  return (
    `<g><title>${escapeXml(hover)}</title>` +
    `<rect x="${x.toFixed(2)}" y="${y}" width="${width.toFixed(2)}" height="${ROW - 1}" fill="${colour}"/>${text}</g>\n`
  );
}

/** Warm, and the same for a name in every picture. */
function colourOf(name: string): string {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 31) + name.charCodeAt(i)) >>> 0;
  return `hsl(${8 + (hash % 45)} ${70 + ((hash >>> 8) % 20)}% ${62 + ((hash >>> 16) % 14)}%)`;
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
