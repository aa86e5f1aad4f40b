import type { ReactNode } from 'react';
import type { Note } from '../api/client.ts';
import { usePage } from './page.ts';
import type { Shown } from './use-answer.ts';

/** A part of the page with a heading and, at its right, what can be done with it. */
export function Panel(props: {
  readonly title: ReactNode;
  readonly actions?: ReactNode;
  readonly className?: string;
  readonly busy?: boolean;
  readonly children: ReactNode;
}): ReactNode {
  const { title, actions, className = '', busy = false, children } = props;
  return (
    <section className={`panel ${className}`} aria-busy={busy}>
      <header className="panel-head">
        <h2>{title}</h2>
        {actions !== undefined && <div className="panel-actions">{actions}</div>}
      </header>
      <div className={busy ? 'progress busy' : 'progress'} aria-hidden="true" />
      {children}
    </section>
  );
}

/** An answer in the state it is in: awaited, refused, empty, or there. */
export function Outcome<T>(props: {
  readonly shown: Shown<T>;
  /** What is awaited, for the sentence `Loading …`. */
  readonly what: string;
  readonly isEmpty?: (value: T) => boolean;
  readonly empty?: ReactNode;
  readonly children: (value: T) => ReactNode;
}): ReactNode {
  const { shown, what, isEmpty, empty, children } = props;
  const { value, trouble, loading, notes } = shown;
  if (trouble !== undefined && value === undefined) return <Refused message={trouble.message} />;
  if (value === undefined)
    return (
      <p className="state" role="status">
        Loading {what}…
      </p>
    );
  return (
    <>
      <Notes notes={notes} />
      <div className={loading ? 'stale' : undefined}>
        {isEmpty?.(value) === true ? (
          <div className="state">{isPartial(notes) ? <p>{UNKNOWN}</p> : empty}</div>
        ) : (
          children(value)
        )}
      </div>
    </>
  );
}

/** Whether an answer that holds nothing says nothing about what there is. */
export function isPartial(notes: readonly Note[]): boolean {
  return notes.some((note) => note.isPartial);
}

/** What is said instead of “nothing is there” when it may well be. */
export const UNKNOWN = 'Data of this range could not be read: whether there is anything here is not known.';

/** What the server says about an answer, each sentence once. */
export function Notes({ notes }: { readonly notes: readonly Note[] }): ReactNode {
  const once = new Map(notes.map((note) => [note.text, note]));
  return [...once.values()].map(({ isPartial: lacks, text }) => (
    <p className="note" role="note" key={text}>
      {lacks && <strong>Partial answer: some data could not be read. </strong>}
      {text}
    </p>
  ));
}

/** A refusal, and the button that asks again. */
export function Refused({ message }: { readonly message: string }): ReactNode {
  const { refresh } = usePage();
  return (
    <div className="state refused" role="alert">
      <p>{message}</p>
      <button type="button" onClick={refresh}>
        Try again
      </button>
    </div>
  );
}
