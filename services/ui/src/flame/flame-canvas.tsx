import {
  useEffect,
  useEffectEvent,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
} from 'react';
import { clampedRange, eased, moved, panned, rangeOfRow, zoomed, type Range } from './camera.ts';
import { depthOf, pathOf, rowOf, type FrameTree } from './frame-tree.ts';
import { FrameMenu } from './frame-menu.tsx';
import { FrameTooltip } from './frame-tooltip.tsx';
import { nextRow } from './keyboard.ts';
import { depthAt, outline, Painter, ROW_HEIGHT, type Camera, type Scene } from './paint.ts';
import { sentenceOf, type Described } from './texts.ts';
import { rowAt } from './visible.ts';

/** What the canvas shows, and what it reports. */
export interface FlameCanvasProps {
  readonly scene: Scene;
  readonly described: Described;
  /** What the picture is of, for a screen reader. */
  readonly label: string;
  readonly onFocus: (row: number) => void;
  readonly onBack: () => void;
  readonly onSandwich: (name: string) => void;
  readonly onSearch: (name: string) => void;
}

interface Pointed {
  readonly row: number;
  readonly x: number;
  readonly y: number;
}

const ZOOM_MS = 160;
const DRAG_PIXELS = 4;

/** Frames on a canvas: hover, click, drag, wheel and keys; only what is in sight is drawn. */
export function FlameCanvas(props: FlameCanvasProps): ReactNode {
  const { scene, described, label } = props;
  const { tree, focus, upwards } = scene;
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [painter] = useState(() => new Painter());
  const range = useRef<Range>({ from: 0, to: 1 });
  const frame = useRef(0);
  const drag = useRef<{ x: number; y: number; range: Range; scroll: number; moved: boolean } | undefined>(undefined);
  const [pointed, setPointed] = useState<Pointed | undefined>(undefined);
  /** Names to the frame of the cursor: rows are others after a refresh. */
  const [cursorPath, setCursorPath] = useState<readonly string[] | undefined>(undefined);
  const [menu, setMenu] = useState<Pointed | undefined>(undefined);
  const help = useId();
  const height = (tree.levels.length - 1) * ROW_HEIGHT;
  const cursor = useMemo(() => {
    if (cursorPath === undefined) return -1;
    const row = rowOf(tree, cursorPath);
    return depthOf(tree, row) === cursorPath.length ? row : -1;
  }, [tree, cursorPath]);
  const setCursor = (row: number): void => setCursorPath(pathOf(tree, row));

  const camera = (): Camera => {
    const box = scroller.current!;
    return {
      ...range.current,
      width: box.clientWidth,
      height: Math.min(box.clientHeight, height),
      scroll: box.scrollTop,
    };
  };
  const paint = useEffectEvent(() => {
    frame.current = 0;
    const context = canvas.current?.getContext('2d');
    if (!context || !scroller.current) return;
    const ratio = window.devicePixelRatio || 1;
    const view = camera();
    const [width, tall] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
    const { canvas: element } = context;
    if (element.width !== width || element.height !== tall) {
      element.width = width;
      element.height = tall;
      element.style.height = `${view.height}px`;
    }
    painter.paint(context, scene, view, ratio);
    for (const row of [pointed?.row ?? -1, cursor])
      if (row >= 0 && row < tree.length) outline(context, scene, view, row);
  });
  const draw = (): void => {
    if (frame.current === 0) frame.current = requestAnimationFrame(() => paint());
  };
  const show = (next: Range): void => {
    range.current = clampedRange(tree, next);
    draw();
  };

  useEffect(() => {
    const observer = new ResizeObserver(() => paint());
    observer.observe(scroller.current!);
    return () => {
      observer.disconnect();
      cancelAnimationFrame(frame.current);
      frame.current = 0;
    };
  }, []);

  // A refresh shows the same part of the new tree, where the focus is the same.
  const last = useRef<{ tree: FrameTree; focus: number } | undefined>(undefined);
  useLayoutEffect(() => {
    const before = last.current;
    last.current = { tree, focus };
    if (before?.tree === tree) return;
    setPointed(undefined);
    setMenu(undefined);
    const isSameFocus =
      before !== undefined && pathOf(before.tree, before.focus).join('\n') === pathOf(tree, focus).join('\n');
    range.current = isSameFocus
      ? moved(range.current, rangeOfRow(before.tree, before.focus), rangeOfRow(tree, focus))
      : rangeOfRow(tree, focus);
    if (before !== undefined) return;
    const box = scroller.current!;
    const y = depthOf(tree, focus) * ROW_HEIGHT;
    if (upwards) box.scrollTop = height;
    else if (y > box.clientHeight - 3 * ROW_HEIGHT) box.scrollTop = y - 2 * ROW_HEIGHT;
  }, [tree, focus, upwards, height]);

  // Another focus of the same tree is a short way.
  const focused = useRef({ tree, focus });
  useEffect(() => {
    const isNew = focused.current.tree === tree && focused.current.focus !== focus;
    focused.current = { tree, focus };
    if (!isNew) return undefined;
    const start = range.current;
    const end = rangeOfRow(tree, focus);
    const box = scroller.current!;
    const y = depthOf(tree, focus) * ROW_HEIGHT;
    if (!upwards && (y < box.scrollTop || y > box.scrollTop + box.clientHeight - 3 * ROW_HEIGHT))
      box.scrollTop = Math.max(0, y - 2 * ROW_HEIGHT);
    if (start.from === end.from && start.to === end.to) return undefined;
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      range.current = end;
      paint();
      return undefined;
    }
    let began: number | undefined;
    let step = requestAnimationFrame(function move(now) {
      began ??= now;
      const part = Math.min(1, (now - began) / ZOOM_MS);
      range.current = part === 1 ? end : eased(start, end, part);
      paint();
      if (part < 1) step = requestAnimationFrame(move);
    });
    return () => cancelAnimationFrame(step);
  }, [tree, focus, upwards]);

  useEffect(() => paint(), [scene, pointed, cursor]);

  const onWheel = useEffectEvent((event: WheelEvent) => {
    const view = camera();
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      const x = event.clientX - scroller.current!.getBoundingClientRect().left;
      show(zoomed(range.current, x / view.width, Math.exp(event.deltaY * 0.004)));
    } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      show(panned(range.current, sideways / view.width));
    } else return;
    event.preventDefault();
  });
  useEffect(() => {
    const box = scroller.current!;
    const listener = (event: WheelEvent): void => onWheel(event);
    box.addEventListener('wheel', listener, { passive: false });
    return () => box.removeEventListener('wheel', listener);
  }, []);

  const find = (event: { clientX: number; clientY: number }): Pointed | undefined => {
    const box = scroller.current!.getBoundingClientRect();
    const view = camera();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    if (x < 0 || x >= view.width || y < 0 || y >= view.height) return undefined;
    const row = rowAt(tree, depthAt(scene, view, y), view.from + (x / view.width) * (view.to - view.from));
    return row < 0 ? undefined : { row, x: event.clientX, y: event.clientY };
  };

  const onPointerDown = (event: PointerEvent): void => {
    setMenu(undefined);
    if (event.button !== 0 || !(event.target instanceof HTMLCanvasElement)) return;
    drag.current = {
      x: event.clientX,
      y: event.clientY,
      range: range.current,
      scroll: scroller.current!.scrollTop,
      moved: false,
    };
  };
  const onPointerMove = (event: PointerEvent): void => {
    const from = drag.current;
    if (from === undefined || event.buttons === 0) {
      drag.current = undefined;
      const next = find(event);
      if (next !== undefined || pointed !== undefined) setPointed(next);
      return;
    }
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    if (!from.moved && Math.abs(dx) + Math.abs(dy) < DRAG_PIXELS) return;
    if (!from.moved) {
      from.moved = true;
      scroller.current!.setPointerCapture(event.pointerId);
      setPointed(undefined);
    }
    scroller.current!.scrollTop = from.scroll - dy;
    show(panned(from.range, -dx / scroller.current!.clientWidth));
  };
  const onPointerUp = (event: PointerEvent): void => {
    const from = drag.current;
    drag.current = undefined;
    if (from === undefined || from.moved) return;
    const hit = find(event);
    if (hit === undefined) return;
    setCursor(hit.row);
    props.onFocus(hit.row);
  };

  const reveal = (row: number): void => {
    const box = scroller.current!;
    const depth = depthOf(tree, row);
    const y = (upwards ? tree.levels.length - 2 - depth : depth) * ROW_HEIGHT;
    if (y < box.scrollTop) box.scrollTop = y;
    else if (y + ROW_HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = y + ROW_HEIGHT - box.clientHeight;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey || menu !== undefined) return;
    const at = cursor >= 0 ? cursor : focus;
    const next = nextRow(tree, at, event.key, range.current, upwards);
    if (next !== undefined) {
      setCursor(next);
      setPointed(undefined);
      reveal(next);
    } else if (event.key === 'Enter') props.onFocus(at);
    else if (event.key === 'Escape') props.onBack();
    else if (event.key === '+' || event.key === '=') show(zoomed(range.current, 0.5, 0.7));
    else if (event.key === '-') show(zoomed(range.current, 0.5, 1.4));
    else if (event.key === 's' && at > 0) props.onSandwich(tree.names[tree.name[at]!]!);
    else return;
    event.preventDefault();
  };
  const onMenu = (event: { clientX: number; clientY: number; preventDefault: () => void }): void => {
    // The key for menus reports a place outside of the frames: it means the cursor.
    const box = scroller.current!.getBoundingClientRect();
    const hit = find(event) ?? (cursor >= 0 ? { row: cursor, x: box.left + 40, y: box.top + 40 } : undefined);
    if (hit === undefined) return;
    event.preventDefault();
    setPointed(undefined);
    setMenu(hit);
  };

  return (
    <>
      <div
        ref={scroller}
        className="flame-scroll"
        role="application"
        aria-roledescription="flame graph"
        aria-label={label}
        aria-describedby={help}
        tabIndex={0}
        onScroll={draw}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerLeave={() => setPointed(undefined)}
        onContextMenu={onMenu}
        onKeyDown={onKeyDown}
      >
        <div style={{ height }}>
          <canvas ref={canvas} aria-hidden="true" />
        </div>
      </div>
      <p id={help} className="flame-unseen">
        Arrow keys move between frames, Enter focuses one, Escape goes back, S shows its callers and callees, plus and
        minus zoom, slash searches.
      </p>
      <p className="flame-unseen" role="status" aria-live="polite">
        {cursor >= 0 ? sentenceOf(tree, cursor, described) : ''}
      </p>
      {pointed !== undefined && menu === undefined && pointed.row < tree.length && (
        <FrameTooltip tree={tree} {...pointed} described={described} />
      )}
      {menu !== undefined && menu.row < tree.length && (
        <FrameMenu
          name={tree.names[tree.name[menu.row]!]!}
          x={menu.x}
          y={menu.y}
          onClose={() => {
            setMenu(undefined);
            scroller.current?.focus({ preventScroll: true });
          }}
          actions={[
            { label: 'Focus', run: () => props.onFocus(menu.row) },
            ...(menu.row === 0
              ? []
              : [
                  {
                    label: 'Callers and callees',
                    run: () => props.onSandwich(tree.names[tree.name[menu.row]!]!),
                  },
                  { label: 'Search for it', run: () => props.onSearch(tree.names[tree.name[menu.row]!]!) },
                ]),
            {
              label: 'Copy name',
              run: () => void navigator.clipboard?.writeText(tree.names[tree.name[menu.row]!]!).catch(() => undefined),
            },
          ]}
        />
      )}
    </>
  );
}
