import { ConfigError } from './config-error.ts';
import { BYTES, DURATION, formatBytes, formatDuration, parseBytes, parseDuration } from './quantity.ts';
import type { Setting, SettingType } from './setting.ts';

/** What a setting of any type holds. */
export type Value = number | boolean | string | readonly string[];

const forms: Readonly<Record<SettingType, string>> = {
  duration: 'a duration such as 15s, 1h30m, 7d or 1y (ms s m h d w y)',
  bytes: 'a size such as 64MiB, 64MB or 4096',
  int: 'a whole number',
  float: 'a number',
  bool: 'true or false',
  string: 'a text',
  list: 'a list separated by commas',
  repeated: 'a list',
  data: 'JSON',
};

/**
 * A value as somebody wrote it, in the type of its setting.
 * @param where who wrote it, for the sentence: `--port` or `port in kiln.yaml`
 * @throws ConfigError naming what was found, what is allowed and the setting.
 */
export function parseValue(setting: Setting, text: string, where: string): Value {
  if (setting.type === 'data') return spelled(setting, parseJson(text, where), where);
  const value = readers[setting.type](text);
  if (value === undefined && written[setting.type]?.test(text) === true) throw tooLarge(setting, text, where);
  if (value === undefined) throw new ConfigError(`${where} is ${JSON.stringify(text)}, must be ${forms[setting.type]}`);
  if (typeof value === 'number') checkRange(setting, value, where);
  if (setting.choices !== undefined && typeof value === 'string' && !setting.choices.includes(value)) {
    throw new ConfigError(
      `${where} is ${JSON.stringify(text)}, must be one of ${setting.choices.filter((word) => word !== '').join(', ')}`,
    );
  }
  return value;
}

/** As `parseValue`, for a value of a YAML file: a number where a unit is needed is refused, a list may be a sequence, data is itself. */
export function parseYamlValue(setting: Setting, value: unknown, where: string): Value {
  if (setting.type === 'data') return value === null ? String(setting.default) : spelled(setting, value, where);
  if (Array.isArray(value) && isList(setting)) return value.map((item) => scalar(item, setting, where));
  return parseValue(setting, scalar(value, setting, where), where);
}

/** Whether more of it adds up. */
export function isList(setting: Setting): boolean {
  return setting.type === 'list' || setting.type === 'repeated';
}

/** A value as `parseValue` reads it, for the help. */
export function formatValue(setting: Setting, value: Value): string {
  if (setting.type === 'duration') return formatDuration(Number(value));
  if (setting.type === 'bytes') return formatBytes(Number(value));
  return typeof value === 'object' ? value.join(',') : String(value);
}

const readers: Readonly<Record<SettingType, (text: string) => Value | undefined>> = {
  duration: parseDuration,
  bytes: parseBytes,
  int: (text) => (/^-?\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined),
  float: (text) => (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined),
  bool: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
  string: (text) => text,
  list: (text) => (text === '' ? [] : text.split(',').map((item) => item.trim())),
  repeated: (text) => [text],
  data: (text) => text,
};

/** How numbers of a type are written, also those that are too large to be held. */
const written: Readonly<Partial<Record<SettingType, RegExp>>> = { duration: DURATION, bytes: BYTES, int: /^-?\d+$/ };

function tooLarge(setting: Setting, text: string, where: string): ConfigError {
  if (text.startsWith('-'))
    return new ConfigError(`${where} is ${text}, must be at least ${formatValue(setting, setting.min ?? 0)}`);
  return new ConfigError(`${where} is ${text}, which is too large: must be at most ${mostText(setting)}`);
}

/** The largest value allowed, in words that are short: the bound of what can be held is no round number. */
function mostText(setting: Setting): string {
  if (setting.max !== undefined) return formatValue(setting, setting.max);
  if (setting.type === 'duration') return `${Math.floor(Number.MAX_SAFE_INTEGER / 86_400_000)}d`;
  return setting.type === 'bytes' ? '8191TiB' : String(Number.MAX_SAFE_INTEGER);
}

function spelled(setting: Setting, tree: unknown, where: string): string {
  return JSON.stringify(setting.read === undefined ? tree : setting.read(tree, where));
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new ConfigError(`${where} is ${JSON.stringify(text.slice(0, 100))}, must be ${forms.data}`);
  }
}

function checkRange(setting: Setting, value: number, where: string): void {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = setting;
  if (value >= min && value <= max) return;
  const range = value < min ? `at least ${formatValue(setting, min)}` : `at most ${formatValue(setting, max)}`;
  throw new ConfigError(`${where} is ${formatValue(setting, value)}, must be ${range}`);
}

function scalar(value: unknown, setting: Setting, where: string): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  const found = value === null ? 'empty' : Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  throw new ConfigError(`${where} is ${found}, must be ${forms[setting.type]}`);
}
