import type { ReactNode } from 'react';
import { ANONYMOUS } from '@kiln/model';
import type { FlameState } from '../flame/props.ts';
import type { PageClock } from './clock.ts';

/** Nothing searched, nothing focused. */
export const plainFlame: FlameState = {
  search: '',
  focus: [],
  sandwich: undefined,
  inverted: false,
  colours: 'package',
};

/** The whole page: which view is shown follows from the address. */
export function App({ clock }: { readonly clock: PageClock }): ReactNode {
  return (
    <main>
      <h1>Kiln</h1>
      <p>
        {ANONYMOUS} {new Date(clock.nowMs()).toISOString()} {plainFlame.colours}
      </p>
    </main>
  );
}
