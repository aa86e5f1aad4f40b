import { useEffect, useEffectEvent, useState } from 'react';
import type { Answer, Client, Note, Trouble } from '../api/client.ts';
import { usePage } from './page.ts';

/** An answer as a panel shows it: the last one stays while the next is awaited. */
export interface Shown<T> {
  readonly value: T | undefined;
  /** What the server says about the value, for example what is missing from it. */
  readonly notes: readonly Note[];
  readonly trouble: Trouble | undefined;
  /** Whether what is shown is not yet what was asked for. */
  readonly loading: boolean;
}

const NEXT_TRY_MS = 10_000;

interface Held<T> {
  readonly key: string;
  readonly value: T | undefined;
  readonly notes: readonly Note[];
  readonly trouble: Trouble | undefined;
}

/**
 * Asks when `key` changes and in every refresh, and again when nobody answered; an older question is given up.
 * @param key says what is asked; undefined = nothing.
 */
export function useAnswer<T>(
  key: string | undefined,
  ask: (client: Client, signal: AbortSignal) => Promise<Answer<T>>,
): Shown<T> {
  const { client, round, clock } = usePage();
  const [attempt, setAttempt] = useState(0);
  const [held, setHeld] = useState<Held<T>>({ key: '', value: undefined, notes: [], trouble: undefined });
  const askNow = useEffectEvent(ask);
  const full = key === undefined ? undefined : `${round} ${attempt} ${key}`;
  useEffect(() => {
    if (full === undefined) return undefined;
    const leaving = new AbortController();
    void askNow(client, leaving.signal).then((answer) => {
      if (leaving.signal.aborted) return;
      setHeld((before) =>
        answer.ok
          ? { key: full, value: answer.value, notes: answer.notes, trouble: undefined }
          : { key: full, value: keepable(before, answer.trouble), notes: [], trouble: answer.trouble },
      );
    });
    return () => leaving.abort();
  }, [full, client]);
  // The server may answer others meanwhile, so that the page as a whole has nothing to wait for.
  const isAway = held.key === full && held.trouble?.kind === 'away';
  useEffect(
    () => (isAway ? clock.after(NEXT_TRY_MS, () => setAttempt((before) => before + 1)) : undefined),
    [isAway, clock],
  );
  if (full === undefined) return { value: undefined, notes: [], trouble: undefined, loading: false };
  const { value, notes, trouble } = held;
  const loading = held.key !== full;
  return { value, notes, trouble: loading ? undefined : trouble, loading };
}

/** When nobody answers, the last numbers stay; a refusal has none. */
function keepable<T>(before: Held<T>, trouble: Trouble): T | undefined {
  return trouble.kind === 'away' ? before.value : undefined;
}
