import { createContext, use } from 'react';
import type { Client } from '../api/client.ts';
import type { Address } from './address.ts';
import type { PageClock } from './clock.ts';
import type { Theme } from './theme.ts';

/** What every part of the page may use. */
export interface Page {
  readonly clock: PageClock;
  readonly client: Client;
  readonly address: Address;
  /** '' = none is sent. */
  readonly tenant: string;
  readonly theme: Theme;
  /** What `now` is in ranges: the time of the last refresh, so that all panels speak of the same stretch. */
  readonly nowMs: number;
  /** Counts refreshes; what is shown is asked for anew in each. */
  readonly round: number;
  /** Changes the address; `replace` leaves no step behind for the back button. */
  readonly go: (change: Partial<Address>, how?: 'replace') => void;
  readonly refresh: () => void;
}

export const PageContext: React.Context<Page | undefined> = createContext<Page | undefined>(undefined);

/** The page that a component is part of. */
export function usePage(): Page {
  const page = use(PageContext);
  if (page === undefined) throw new Error('a component stands outside of the page');
  return page;
}
