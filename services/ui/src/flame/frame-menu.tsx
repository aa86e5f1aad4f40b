import { useEffect, useLayoutEffect, useRef, type KeyboardEvent, type ReactNode } from 'react';
import { nameText } from '@kiln/model';

/** A thing to do with a frame. */
export interface FrameAction {
  readonly label: string;
  readonly run: () => void;
}

/** The menu of a frame; closes itself on Escape, a click elsewhere and an action. */
export function FrameMenu({
  name,
  x,
  y,
  actions,
  onClose,
}: {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly actions: readonly FrameAction[];
  readonly onClose: () => void;
}): ReactNode {
  const menu = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const { offsetWidth, offsetHeight, style } = menu.current!;
    style.left = `${Math.min(x, innerWidth - offsetWidth - 4)}px`;
    style.top = `${Math.min(y, innerHeight - offsetHeight - 4)}px`;
    menu.current!.querySelector('button')?.focus();
  }, [x, y]);
  useEffect(() => {
    const away = (event: Event): void => {
      if (!menu.current?.contains(event.target as Node)) onClose();
    };
    addEventListener('pointerdown', away, true);
    return () => removeEventListener('pointerdown', away, true);
  }, [onClose]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const items = [...menu.current!.querySelectorAll('button')];
    const at = items.indexOf(document.activeElement as HTMLButtonElement);
    if (event.key === 'Escape' || event.key === 'Tab') onClose();
    else if (event.key === 'ArrowDown') items[(at + 1) % items.length]?.focus();
    else if (event.key === 'ArrowUp') items.at(at - 1)?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div ref={menu} className="flame-menu" role="menu" aria-label={nameText(name)} tabIndex={-1} onKeyDown={onKeyDown}>
      <div className="flame-menu-name">{nameText(name)}</div>
      {actions.map(({ label, run }) => (
        <button
          key={label}
          type="button"
          role="menuitem"
          onClick={() => {
            onClose();
            run();
          }}
        >
          {label}
        </button>
      ))}
    </div>
  );
}
