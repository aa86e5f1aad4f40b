import type { Schema, Setting } from './setting.ts';
import { formatValue } from './value.ts';

/**
 * Every setting with its default (`…` where there is none), unit, meaning and key in the file: two lines each.
 * @param titles a line above each group that is named in it; with any, groups stand apart.
 */
export function helpText(schema: Schema, titles: Readonly<Record<string, string>> = {}): string {
  return Object.entries(schema)
    .map(([group, settings]) => {
      const text = Object.values(settings).map(textOf).join('');
      return titles[group] === undefined ? text : `${titles[group]}\n${text}`;
    })
    .join(Object.keys(titles).length === 0 ? '' : '\n');
}

function textOf(one: Setting): string {
  const names = [one.key, ...one.aliases].map((name) => `${name.length === 1 ? '-' : '--'}${name}`).join(', ');
  const file = one.yaml === undefined ? '' : ` [${one.yaml}]`;
  return `  ${names}${example(one)}\n      ${one.meaning}${unitOf(one)}${file}\n`;
}

function example(one: Setting): string {
  const text = formatValue(one, one.default);
  return text === '' ? ' …' : `=${text}`;
}

function unitOf(one: Setting): string {
  const words = one.choices?.filter((word) => word !== '') ?? [];
  const parts = [one.unit, words.length === 0 ? '' : `one of ${words.join(', ')}`];
  const told = parts.filter((part) => part !== '').join(', ');
  return told === '' ? '' : ` (${told})`;
}
