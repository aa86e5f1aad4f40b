import { useState, type FormEvent, type ReactNode } from 'react';
import { Menu } from './menu.tsx';
import { usePage } from './page.ts';
import { QUICK_RANGES, rangeText, readStamp, readTime, shownTime } from './time-range.ts';

interface Ends {
  readonly from: string;
  readonly until: string;
}

/** Chooses a range: one of the usual ones, or two times, each counted back from now or on the calendar. */
export function TimePicker(
  props: Ends & { readonly label?: string; readonly onRange: (ends: Ends) => void },
): ReactNode {
  const { from, until, label = 'Time range', onRange } = props;
  return (
    <Menu
      label={`${label}: ${rangeText(from, until)}`}
      text={<span className="mono-digits">{rangeText(from, until)}</span>}
      align="right"
    >
      {(close) => {
        const choose = (ends: Ends): void => {
          onRange(ends);
          close();
        };
        return (
          <div className="time-picker">
            <TwoTimes from={from} until={until} onRange={choose} />
            <ul className="choices">
              {QUICK_RANGES.map((range) => (
                <li key={range.from}>
                  <button
                    type="button"
                    aria-pressed={range.from === from && until === 'now'}
                    onClick={() => choose({ from: range.from, until: 'now' })}
                  >
                    {range.text}
                  </button>
                </li>
              ))}
            </ul>
          </div>
        );
      }}
    </Menu>
  );
}

function TwoTimes({ from, until, onRange }: Ends & { readonly onRange: (ends: Ends) => void }): ReactNode {
  const { clock } = usePage();
  const [first, setFirst] = useState(() => shownTime(from));
  const [last, setLast] = useState(() => shownTime(until));
  const [problem, setProblem] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const ends = { from: readShown(first), until: readShown(last) };
    const nowMs = clock.nowMs();
    const [start, end] = [readTime(ends.from, nowMs), readTime(ends.until, nowMs)];
    if (start === undefined || end === undefined)
      setProblem(`${JSON.stringify(start === undefined ? first : last)} is no time: want now-2h or 2026-01-31 18:00.`);
    else if (end <= start) setProblem('The end must lie after the beginning.');
    else onRange(ends);
  };
  return (
    <form onSubmit={submit}>
      <label>
        From
        <input value={first} onChange={(event) => setFirst(event.target.value)} spellCheck={false} />
      </label>
      <label>
        Until
        <input value={last} onChange={(event) => setLast(event.target.value)} spellCheck={false} />
      </label>
      <p className="hint">
        <code>now-2h30m</code> or <code>2026-01-31 18:00</code>, {Intl.DateTimeFormat().resolvedOptions().timeZone} time
      </p>
      {problem !== '' && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className="primary">
        Apply
      </button>
    </form>
  );
}

function readShown(text: string): string {
  const ms = readStamp(text);
  return ms === undefined ? text.trim() : String(ms);
}
