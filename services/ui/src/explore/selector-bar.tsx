import { useEffect, useId, useRef, useState, type FormEvent, type KeyboardEvent, type ReactNode } from 'react';
import { askLabelNames, askLabelValues } from '../api/calls.ts';
import type { Answer, Client } from '../api/client.ts';
import { shortText } from '../app/short-text.ts';
import type { TimeRange } from '../app/time-range.ts';
import { useAnswer } from '../app/use-answer.ts';
import { behindName, complete, completionAt, type Completion } from './completion.ts';
import { readSelector } from './selector-text.ts';

const MOST_CHOICES = 50;
const OPERATORS = ['=', '!=', '=~', '!~'];

/** The field for a selector: completes names and values, says where and why a typo is none, and hands over what was entered. */
export function SelectorBar(props: {
  readonly label: string;
  readonly selector: string;
  readonly range: TimeRange | undefined;
  readonly onSelector: (selector: string) => void;
}): ReactNode {
  const { label, selector, range, onSelector } = props;
  const [text, setText] = useState(selector);
  const [cursor, setCursor] = useState<number>();
  const [chosen, setChosen] = useState(-1);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => setText(selector), [selector]);

  const { completion, choices } = useChoices(cursor === undefined ? undefined : completionAt(text, cursor), range);
  const read = readSelector(text);
  const open = completion !== undefined && choices.length > 0;

  const type = (next: string, at: number | undefined): void => {
    setText(next);
    setCursor(at);
    setChosen(-1);
  };
  const take = (choice: string): void => {
    if (completion === undefined) return;
    const done = complete(text, completion, choice);
    type(done.text, completion.kind === 'value' ? undefined : done.cursor);
    const input = field.current;
    // The field has the new text only after this round of rendering.
    queueMicrotask(() => input?.setSelectionRange(done.cursor, done.cursor));
    if (completion.kind === 'value') submit(done.text);
  };
  const submit = (next: string): void => {
    const entered = readSelector(next);
    setCursor(undefined);
    if (entered.ok) onSelector(entered.text);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      if (open) setCursor(undefined);
      else type(selector, undefined);
      event.stopPropagation();
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (!open) setCursor(field.current?.selectionStart ?? text.length);
      else
        setChosen(
          (chosen +
            (event.key === 'ArrowDown' ? 1 : choices.length) +
            (chosen < 0 && event.key === 'ArrowUp' ? 1 : 0)) %
            choices.length,
        );
    } else if ((event.key === 'Enter' || event.key === 'Tab') && open && chosen >= 0) {
      event.preventDefault();
      take(choices[chosen]!);
    }
  };
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    submit(text);
  };
  const changed = read.ok ? read.text !== selector : true;
  return (
    <form className="selector" onSubmit={onSubmit}>
      <div className="selector-field">
        <input
          ref={field}
          role="combobox"
          aria-label={label}
          aria-expanded={open}
          aria-controls={`${id}-choices`}
          aria-autocomplete="list"
          aria-activedescendant={open && chosen >= 0 ? `${id}-${chosen}` : undefined}
          aria-invalid={!read.ok}
          aria-describedby={read.ok ? undefined : `${id}-problem`}
          value={text}
          placeholder='{service_name="my-app"}'
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => type(event.target.value, event.target.selectionStart ?? undefined)}
          onSelect={(event) => setCursor(event.currentTarget.selectionStart ?? undefined)}
          onKeyDown={onKeyDown}
          onBlur={() => setCursor(undefined)}
        />
        {open && (
          <ul className="completions" id={`${id}-choices`} role="listbox" aria-label={`${label}: completions`}>
            {choices.map((choice, i) => (
              <li
                key={choice}
                id={`${id}-${i}`}
                role="option"
                aria-selected={i === chosen}
                // The field must keep the focus.
                onPointerDown={(event) => {
                  event.preventDefault();
                  take(choice);
                }}
              >
                {choice === '' ? '(empty)' : shortText(choice, 120)}
              </li>
            ))}
          </ul>
        )}
        {!read.ok && changed && (
          <Problem id={`${id}-problem`} text={text} message={read.message} at={read.at} behind={open} />
        )}
      </div>
      <button type="submit" disabled={!changed || !read.ok}>
        Run
      </button>
    </form>
  );
}

/** Why a selector is none, and the place where reading it stopped. */
function Problem(props: {
  readonly id: string;
  readonly text: string;
  readonly message: string;
  readonly at: number | undefined;
  /** Whether completions lie over it: who is still typing knows. */
  readonly behind: boolean;
}): ReactNode {
  const { id, text, message, at, behind } = props;
  return (
    <div className={behind ? 'visually-hidden' : 'problem'} id={id} role="status">
      {at !== undefined && (
        <code className="where" aria-hidden="true">
          {text.slice(Math.max(0, at - 40), at)}
          <mark>{text.slice(at, at + 1) || ' '}</mark>
          {text.slice(at + 1, at + 20)}
        </code>
      )}
      {message}
    </div>
  );
}

interface Choices {
  readonly completion: Completion | undefined;
  readonly choices: readonly string[];
}

/** What may stand where the cursor is: what the server knows, beginning with what is typed before what only has it inside. */
function useChoices(completion: Completion | undefined, range: TimeRange | undefined): Choices {
  const asked = completion === undefined || completion.kind === 'operator' ? undefined : completion;
  const key =
    asked === undefined || range === undefined
      ? undefined
      : JSON.stringify([asked.kind, asked.kind === 'value' ? asked.label : '', asked.others, range]);
  const known = useAnswer(key, (client, signal) => askChoices(client, asked!, range!, signal));
  if (asked === undefined) return { completion, choices: completion === undefined ? [] : OPERATORS };
  if (known.loading || known.value === undefined) return { completion, choices: [] };
  if (asked.kind === 'name' && !asked.hasOperator && known.value.includes(asked.typed))
    return { completion: behindName(asked), choices: OPERATORS };
  const typed = asked.typed.toLowerCase();
  const begins = known.value.filter((choice) => choice.toLowerCase().startsWith(typed));
  const has = known.value.filter((choice) => choice.toLowerCase().indexOf(typed) > 0);
  const found = [...begins, ...has].slice(0, MOST_CHOICES);
  return { completion, choices: asked.isWhole && found.length === 1 && found[0] === asked.typed ? [] : found };
}

function askChoices(
  client: Client,
  { kind, label, others }: Completion,
  range: TimeRange,
  signal: AbortSignal,
): Promise<Answer<string[]>> {
  return kind === 'name'
    ? askLabelNames(client, others, range, signal)
    : askLabelValues(client, label, others, range, signal);
}
