import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';

/** A button that opens a small box below itself; Escape, a click elsewhere or leaving by Tab closes it. */
export function Menu(props: {
  readonly label: string;
  readonly text: ReactNode;
  readonly align?: 'left' | 'right';
  readonly children: (close: () => void) => ReactNode;
}): ReactNode {
  const { label, text, align = 'left', children } = props;
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    if (!open) return undefined;
    const elsewhere = (event: Event): void => {
      if (event.target instanceof Node && box.current?.contains(event.target) === false) setOpen(false);
    };
    document.addEventListener('pointerdown', elsewhere);
    document.addEventListener('focusin', elsewhere);
    return () => {
      document.removeEventListener('pointerdown', elsewhere);
      document.removeEventListener('focusin', elsewhere);
    };
  }, [open]);
  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || !open) return;
    event.stopPropagation();
    close();
  };
  return (
    <div className="menu" ref={box} onKeyDown={onKeyDown}>
      <button
        type="button"
        ref={button}
        aria-label={label}
        aria-expanded={open}
        aria-controls={id}
        title={label}
        onClick={() => setOpen(!open)}
      >
        {text}
      </button>
      {open && (
        <div className={`menu-box ${align}`} id={id} role="group" aria-label={label}>
          {children(close)}
        </div>
      )}
    </div>
  );
}
