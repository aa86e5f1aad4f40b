import { amountText } from '@kiln/model';
import { flameNodes, shareOf, type FlameNode } from './flame-tree.ts';

const WIDTH = 1200;
const ROW = 18;
const HEAD = 34;
/** Pixels per character of the 11 px font, and the narrowest box that is drawn. */
const CHARACTER = 6.4;
const NARROWEST = 0.05;

/** A flame graph as one SVG that needs nothing else: root on top, names in the boxes, share and value when the pointer rests on one. */
export function flameSvg(root: FlameNode, title: string, unit: string): string {
  let depths = 0;
  let boxes = '';
  for (const { node, depth } of flameNodes(root)) {
    const width = shareOf(node.total, root.total) * WIDTH;
    if (width < NARROWEST) continue;
    depths = Math.max(depths, depth);
    boxes += box(node, root, shareOf(node.x, root.total) * WIDTH, HEAD + depth * ROW, width, unit);
  }
  const height = HEAD + (depths + 1) * ROW + 8;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="100%" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="11">
<style>rect { stroke: #fff; stroke-width: .5 } g:hover rect { stroke: #000; stroke-width: 1 } text { fill: #222; pointer-events: none } .title { font-size: 13px }</style>
<rect width="${WIDTH}" height="${height}" fill="#fffdf8" stroke="none"/>
<text class="title" x="4" y="20">${escapeXml(title)} · ${escapeXml(amountText(root.total, unit))}</text>
${boxes}</svg>
`;
}

function box(node: FlameNode, root: FlameNode, x: number, y: number, width: number, unit: string): string {
  const share = (shareOf(node.total, root.total) * 100).toFixed(2);
  const own = node.self === 0n ? '' : `, itself ${amountText(node.self, unit)}`;
  const hover = `${node.name}: ${share}%, ${amountText(node.total, unit)}${own}`;
  const room = Math.floor((width - 6) / CHARACTER);
  const label = room < 3 ? '' : node.name.length <= room ? node.name : `${node.name.slice(0, room - 1)}…`;
  const text = label === '' ? '' : `<text x="${(x + 3).toFixed(1)}" y="${y + 12.5}">${escapeXml(label)}</text>`;
  return (
    `<g><title>${escapeXml(hover)}</title>` +
    `<rect x="${x.toFixed(2)}" y="${y}" width="${width.toFixed(2)}" height="${ROW - 1}" fill="${colourOf(node.name)}"/>${text}</g>\n`
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
