import { compileRegex } from '@kiln/model';
import type { Compile } from './search.ts';

/** RE2 syntax, as in selectors: time is linear in the names, so that a shared address cannot stop the page of whoever opens it. */
export const compileSearch: Compile = (pattern) => {
  const regex = compileRegex('regular expression', pattern);
  return (name) => regex.test(name);
};
