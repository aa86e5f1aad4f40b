import { useEffect, useEffectEvent, useMemo, useState } from 'react';
import { Client, type Trouble } from '../api/client.ts';
import type { PageClock } from './clock.ts';

/** What the page knows of the server as a whole. */
export interface Server {
  readonly client: Client;
  /** Why nobody answers; undefined = somebody does. */
  readonly away: Trouble | undefined;
  /** Whether it keeps several tenants; undefined until it has said so. */
  readonly tenants: boolean | undefined;
  /** The server's sentence when it wants to know whose data; undefined when it knows. */
  readonly unnamed: string | undefined;
}

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 10_000;

/**
 * The client of a tenant, and what its answers say about the server. While nobody answers it asks again and again, less often with time.
 * @param back is called when somebody answers again.
 */
export function useServer(tenant: string, clock: PageClock, back: () => void): Server {
  const [away, setAway] = useState<Trouble>();
  const [tenants, setTenants] = useState<boolean>();
  const [unnamed, setUnnamed] = useState<{ tenant: string; message: string }>();
  const client = useMemo(
    () =>
      new Client(document.baseURI, tenant, {
        reached: (single) => {
          setAway(undefined);
          setTenants(!single);
          setUnnamed(undefined);
        },
        troubled: (trouble) => {
          if (trouble.kind === 'away') setAway(trouble);
          if (trouble.kind !== 'tenant') return;
          setTenants(true);
          setUnnamed({ tenant, message: trouble.message });
        },
      }),
    [tenant],
  );
  const isBack = useEffectEvent(back);
  const isAway = away !== undefined;
  useEffect(() => {
    if (!isAway) return undefined;
    const leaving = new AbortController();
    let cancel = (): void => undefined;
    const waitFor = (ms: number): void => {
      cancel = clock.after(ms, () => {
        void client.isReady(leaving.signal).then((ready) => {
          if (leaving.signal.aborted) return;
          if (ready) isBack();
          waitFor(Math.min(ms * 2, LONGEST_WAIT_MS));
        });
      });
    };
    waitFor(FIRST_WAIT_MS);
    return () => {
      leaving.abort();
      cancel();
    };
  }, [isAway, client, clock]);
  return { client, away, tenants, unnamed: unnamed?.tenant === tenant ? unnamed.message : undefined };
}
