import { useEffect, useRef, useState, type ReactNode } from 'react';

/** A column of a VirtualTable. */
export interface Column<T, K extends string> {
  readonly key: K;
  readonly title: string;
  readonly isNumber?: boolean;
  /** In pixels; what is left otherwise, and for numbers what the style sheet says. */
  readonly width?: number;
  readonly cell: (row: T) => ReactNode;
}

/** Height of a row, as the style sheet has it. */
const ROW = 26;
/** Rows beyond the edges that are there before they are seen. */
const SPARE = 8;

/** A table of any length: rows in sight are in the document, and each says which of all it is. */
export function VirtualTable<T, K extends string>({
  caption,
  columns,
  rows,
  keyOf,
  isMarked,
  sort,
  onSort,
  empty,
}: {
  readonly caption: string;
  readonly columns: readonly Column<T, K>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  readonly isMarked: (row: T) => boolean;
  readonly sort: { readonly key: K; readonly down: boolean };
  readonly onSort: (key: K) => void;
  /** What is said when there are no rows. */
  readonly empty: string;
}): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const look = (): void => {
    // An observer may report once more while the table goes.
    if (box.current === null) return;
    const { scrollTop, clientHeight } = box.current;
    setView({ top: scrollTop, height: clientHeight });
  };
  useEffect(() => {
    const observer = new ResizeObserver(look);
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    box.current!.scrollTop = 0;
  }, [sort.key, sort.down]);
  const start = Math.max(0, Math.min(rows.length - 1, Math.floor(view.top / ROW) - SPARE));
  const end = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW) + SPARE);
  return (
    <div className="flame-table" ref={box} onScroll={look} role="region" aria-label={caption} tabIndex={0}>
      <table aria-rowcount={rows.length + 1}>
        <caption>{caption}</caption>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(({ key, title, isNumber, width }) => (
              <th
                key={key}
                scope="col"
                className={isNumber ? 'flame-number' : undefined}
                style={{ width }}
                aria-sort={sort.key === key ? (sort.down ? 'descending' : 'ascending') : 'none'}
              >
                <button type="button" onClick={() => onSort(key)}>
                  {title}
                  <span aria-hidden="true">{sort.key === key ? (sort.down ? ' ↓' : ' ↑') : ''}</span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {start > 0 && <tr aria-hidden="true" style={{ height: start * ROW }} />}
          {rows.slice(start, end).map((row, i) => (
            <tr key={keyOf(row)} aria-rowindex={start + i + 2} data-marked={isMarked(row) || undefined}>
              {columns.map(({ key, isNumber, cell }) => (
                <td key={key} className={isNumber ? 'flame-number' : undefined}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
          {end < rows.length && <tr aria-hidden="true" style={{ height: (rows.length - end) * ROW }} />}
        </tbody>
      </table>
      {rows.length === 0 && <p className="flame-empty">{empty}</p>}
    </div>
  );
}
