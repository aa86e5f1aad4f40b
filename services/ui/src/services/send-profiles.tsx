import { useState, type KeyboardEvent, type ReactNode } from 'react';
import { usePage } from '../app/page.ts';
import { sendLines } from './send-lines.ts';

/** The lines to paste into a program so that it sends its profiles here, one tab for each language. */
export function SendProfiles(): ReactNode {
  const { tenant, clock } = usePage();
  const [chosen, setChosen] = useState(0);
  const [copied, setCopied] = useState(false);
  const origin = new URL('.', document.baseURI).href.replace(/\/$/, '');
  const ways = sendLines(origin, tenant);
  const { install, lines } = ways[chosen]!;
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    const next = (chosen + step + ways.length) % ways.length;
    setChosen(next);
    (event.currentTarget.children[next] as HTMLElement).focus();
  };
  const copy = (): void => {
    void navigator.clipboard.writeText(lines).then(() => {
      setCopied(true);
      clock.after(2_000, () => setCopied(false));
    });
  };
  return (
    <div className="send">
      <div className="tabs" role="tablist" aria-label="Language" onKeyDown={onKeyDown}>
        {ways.map((way, i) => (
          <button
            key={way.name}
            type="button"
            role="tab"
            id={`send-${i}`}
            aria-selected={i === chosen}
            aria-controls="send-lines"
            tabIndex={i === chosen ? 0 : -1}
            onClick={() => setChosen(i)}
          >
            {way.name}
          </button>
        ))}
      </div>
      <div role="tabpanel" id="send-lines" aria-labelledby={`send-${chosen}`}>
        {install !== '' && (
          <p>
            <code>{install}</code>
          </p>
        )}
        <pre tabIndex={0}>{lines}</pre>
        {window.isSecureContext && (
          <button type="button" onClick={copy}>
            {copied ? 'Copied' : 'Copy'}
          </button>
        )}
      </div>
    </div>
  );
}
