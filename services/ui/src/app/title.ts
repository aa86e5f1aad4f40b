import { kindTitle } from '../api/kinds.ts';
import type { Address } from './address.ts';
import { shortText } from './short-text.ts';

const VIEWS = { services: 'Services', explore: 'Explore', compare: 'Compare' } as const;

/** What the browser calls the page, in tabs and in its history: where one is before whose page it is. */
export function titleOf({ view, kind, selector, find }: Address): string {
  const what = view === 'services' ? find : selector === '{}' ? '' : selector;
  const parts = [shortText(what, 60), view === 'services' || kind === '' ? '' : kindTitle(kind), VIEWS[view], 'Kiln'];
  return parts.filter((part) => part !== '').join(' · ');
}
