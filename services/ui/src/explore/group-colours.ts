import type { Theme } from '../app/theme.ts';

/* Told apart by hue and, for those who see few hues, by lightness; at least 3:1 against the panel. */
const LIGHT = ['#c2410c', '#2563eb', '#15803d', '#9333ea', '#0e7490', '#be123c', '#a16207', '#4338ca', '#4d7c0f'];
const DARK = ['#fb923c', '#60a5fa', '#4ade80', '#c084fc', '#22d3ee', '#fb7185', '#facc15', '#a5b4fc', '#a3e635'];
const REST = { light: '#78716c', dark: '#a8a29e' } as const;

/** How many groups have a colour of their own; the rest of more share one. */
export const MOST_GROUPS: number = LIGHT.length + 1;

/** The colour of each group by its place. @param hasRest whether the last one is the rest of many. */
export function groupColours(theme: Theme, hasRest: boolean): (group: number, groups: number) => string {
  const colours = theme === 'light' ? LIGHT : DARK;
  return (group, groups) => (hasRest && group === groups - 1 ? REST[theme] : (colours[group] ?? REST[theme]));
}
