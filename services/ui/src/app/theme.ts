import { useEffect, useState, useSyncExternalStore } from 'react';

export type Theme = 'light' | 'dark';

/** What was chosen; `system` follows the system's own. */
export type ThemeChoice = 'system' | Theme;

const KEY = 'kiln.theme';

/** The theme of the page and how to choose another; the browser remembers it. */
export function useTheme(): { theme: Theme; choice: ThemeChoice; choose: (choice: ThemeChoice) => void } {
  const [choice, setChoice] = useState<ThemeChoice>(remembered);
  const dark = useSyncExternalStore(onSystemChange, systemIsDark);
  const theme = choice === 'system' ? (dark ? 'dark' : 'light') : choice;
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme;
  }, [theme]);
  const choose = (next: ThemeChoice): void => {
    remember(KEY, next === 'system' ? '' : next);
    setChoice(next);
  };
  return { theme, choice, choose };
}

function remembered(): ThemeChoice {
  const text = recall(KEY);
  return text === 'light' || text === 'dark' ? text : 'system';
}

function systemQuery(): MediaQueryList {
  return window.matchMedia('(prefers-color-scheme: dark)');
}

function systemIsDark(): boolean {
  return systemQuery().matches;
}

function onSystemChange(changed: () => void): () => void {
  const query = systemQuery();
  query.addEventListener('change', changed);
  return () => query.removeEventListener('change', changed);
}

/** What the browser remembers under a name, '' when nothing or when it may not. */
export function recall(name: string): string {
  try {
    return window.localStorage.getItem(name) ?? '';
  } catch {
    return '';
  }
}

/** Has the browser remember a text, or forget it when it is ''; a browser that may not remember does not. */
export function remember(name: string, text: string): void {
  try {
    if (text === '') window.localStorage.removeItem(name);
    else window.localStorage.setItem(name, text);
  } catch {
    // Without storage every choice lasts as long as the page.
  }
}
