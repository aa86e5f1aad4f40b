import { useLayoutEffect, useRef, type ReactNode } from 'react';
import { nameText } from '@kiln/model';
import type { FrameTree } from './frame-tree.ts';
import { factsOf, type Described } from './texts.ts';

/** What is known of the frame under the pointer, beside it; the same is said by the status line of the cursor, so it is hidden from screen readers. */
export function FrameTooltip({
  tree,
  row,
  x,
  y,
  described,
}: {
  readonly tree: FrameTree;
  readonly row: number;
  readonly x: number;
  readonly y: number;
  readonly described: Described;
}): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const { offsetWidth, offsetHeight, style } = box.current!;
    const left = x + 14 + offsetWidth > innerWidth ? Math.max(4, x - offsetWidth - 10) : x + 14;
    const top = y + 18 + offsetHeight > innerHeight ? Math.max(4, y - offsetHeight - 10) : y + 18;
    style.transform = `translate(${left}px, ${top}px)`;
  });
  return (
    <div ref={box} className="flame-tooltip" aria-hidden="true">
      <strong>{nameText(tree.names[tree.name[row]!]!)}</strong>
      <dl>
        {factsOf(tree, row, described).map(({ label, value }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {described.kind !== undefined && <small>{described.kind}</small>}
    </div>
  );
}
