import type { Config, Schema, Setting } from './setting.ts';
import { formatValue, isList, type Value } from './value.ts';

/** What is shown in place of a secret. */
const MASK = '********';

/**
 * Settings as the tree of a YAML file: `loadConfig` reads it back as the same values, but for secrets, which are masked. Settings that only a flag can set
 * are not in it.
 */
export function fileTree<S extends Schema>(schema: S, config: Config<S>): Record<string, unknown> {
  return treeOf(schema, config, () => true);
}

/** As `fileTree`, only what is not the default. */
export function changedTree<S extends Schema>(schema: S, config: Config<S>): Record<string, unknown> {
  return treeOf(schema, config, (one, value) => JSON.stringify(value) !== JSON.stringify(one.default));
}

function treeOf(
  schema: Schema,
  config: Readonly<Record<string, Readonly<Record<string, Value>>>>,
  isWanted: (one: Setting, value: Value) => boolean,
): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [group, settings] of Object.entries(schema)) {
    for (const [name, one] of Object.entries(settings)) {
      const value = config[group]![name]!;
      if (one.yaml !== undefined && isWanted(one, value)) put(tree, one.yaml.split('.'), shown(one, value));
    }
  }
  return tree;
}

function put(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = tree;
  for (const section of path.slice(0, -1)) at = (at[section] ??= {}) as Record<string, unknown>;
  at[path.at(-1)!] = value;
}

/** Durations and sizes as people write them; a size without a unit is a number. */
function shown(one: Setting, value: Value): unknown {
  if (one.isSecret) return value === '' ? '' : MASK;
  if (one.type === 'data' && typeof value === 'string') return JSON.parse(value);
  if (isList(one) || (one.type !== 'duration' && one.type !== 'bytes')) return value;
  const text = formatValue(one, value);
  return /^\d+$/.test(text) ? Number(text) : text;
}
