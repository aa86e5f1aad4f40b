import { ConfigError } from './config-error.ts';
import type { Flags } from './flags.ts';
import { nearest } from './nearest.ts';
import { settingsOf, type Config, type Schema, type Setting, type SettingsFor } from './setting.ts';
import { isList, parseValue, parseYamlValue } from './value.ts';

/** A parsed YAML file. */
export interface YamlFile {
  /** Its name, for sentences. */
  readonly name: string;
  /** The document as plain objects; null or undefined for an empty file. */
  readonly tree: unknown;
}

/**
 * The values of a schema: defaults, then the file, then the flags.
 * @throws ConfigError for an unknown key or a value that is not allowed.
 */
export function loadConfig<S extends Schema>(schema: S, flags: Flags, file?: YamlFile): Config<S> {
  const fromFile = file === undefined ? new Map<Setting, unknown>() : readFile(schema, file);
  const config: Record<string, Record<string, unknown>> = {};
  for (const [group, settings] of Object.entries(schema)) {
    const values: Record<string, unknown> = {};
    for (const [name, one] of Object.entries(settings)) values[name] = valueOf(one, flags, fromFile);
    config[group] = Object.freeze(values);
  }
  // The loop above fills exactly the names of the schema, each with a value of its setting's type.
  return Object.freeze(config) as Config<S>;
}

/**
 * What a file gives of some settings, by their names; nothing else.
 * @throws ConfigError as `loadConfig`.
 */
export function readSettings<T>(settings: SettingsFor<T>, file: YamlFile): Partial<T> {
  const given = readFile({ settings }, file);
  const named = Object.entries<Setting>(settings).filter(([, one]) => given.has(one));
  // Each value has the type of its setting, which is that of the name.
  return Object.fromEntries(named.map(([name, one]) => [name, given.get(one)])) as Partial<T>;
}

function valueOf(one: Setting, flags: Flags, fromFile: ReadonlyMap<Setting, unknown>): unknown {
  const given = flags.given.get(one);
  if (given !== undefined) {
    const values = given.map((text) => parseValue(one, text, `--${one.key}`));
    return isList(one) ? Object.freeze(values.flat()) : values.at(-1);
  }
  return fromFile.has(one) ? fromFile.get(one) : one.default;
}

function readFile(schema: Schema, file: YamlFile): Map<Setting, unknown> {
  const known = new Map<string, Setting>();
  for (const one of settingsOf(schema)) if (one.yaml !== undefined) known.set(one.yaml, one);
  const values = new Map<Setting, unknown>();
  const walk = (tree: unknown, path: string): void => {
    if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) {
      throw new ConfigError(`${path === '' ? file.name : `${path} in ${file.name}`} must hold settings by name`);
    }
    for (const [name, value] of Object.entries(tree)) {
      const at = path === '' ? name : `${path}.${name}`;
      const one = known.get(at);
      if (one !== undefined) values.set(one, parseYamlValue(one, value, `${at} in ${file.name}`));
      else if (isSection(known, at)) {
        if (value !== null) walk(value, at);
      } else throw unknownKey(at, file.name, known.keys());
    }
  };
  if (file.tree !== null && file.tree !== undefined) walk(file.tree, '');
  return values;
}

function isSection(known: ReadonlyMap<string, Setting>, path: string): boolean {
  for (const key of known.keys()) if (key.startsWith(`${path}.`)) return true;
  return false;
}

function unknownKey(path: string, file: string, known: Iterable<string>): ConfigError {
  const near = nearest(path, known);
  return new ConfigError(
    `unknown key ${path} in ${file}: ${near === undefined ? 'see start --help for all keys' : `did you mean ${near}?`}`,
  );
}
