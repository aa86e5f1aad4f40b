import { settingsOf, type Schema, type Setting } from './setting.ts';
import { formatValue } from './value.ts';

/** Every setting with its default (`…` where there is none), unit, meaning and key in the file: two lines each. */
export function helpText(schema: Schema): string {
  return settingsOf(schema)
    .map((one) => {
      const names = [one.key, ...one.aliases].map((name) => `${name.length === 1 ? '-' : '--'}${name}`).join(', ');
      const file = one.yaml === undefined ? '' : ` [${one.yaml}]`;
      return `  ${names}${example(one)}\n      ${one.meaning}${unitOf(one)}${file}\n`;
    })
    .join('');
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
