import { useEffect, useMemo, useState } from 'react';
import { isExpression, parseSearch, type Compile, type Search } from './search.ts';

/** The search of a text. The engine of regular expressions would be a third of what the page loads first: it comes with the first of them. */
export function useSearch(text: string): Search {
  const [compile, setCompile] = useState<Compile>();
  const awaits = compile === undefined && isExpression(text);
  useEffect(() => {
    if (!awaits) return undefined;
    let left = false;
    void import('./regex-engine.ts')
      .then(({ compileSearch }) => compileSearch)
      .catch((): Compile => noEngine)
      .then((loaded) => {
        if (!left) setCompile(() => loaded);
      });
    return () => {
      left = true;
    };
  }, [awaits]);
  return useMemo(() => parseSearch(text, compile), [text, compile]);
}

const noEngine: Compile = () => {
  throw new Error('the server did not answer with what searches by regular expression needs: reload the page');
};
