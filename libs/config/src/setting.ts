/** What a setting's value is in code: durations are milliseconds, sizes are bytes. */
export interface SettingValues {
  readonly duration: number;
  readonly bytes: number;
  readonly int: number;
  readonly float: number;
  readonly bool: boolean;
  readonly string: string;
  /** Separated by commas, and by repeating the flag. */
  readonly list: readonly string[];
  /** One text per flag; commas are part of it. */
  readonly repeated: readonly string[];
  /** JSON text of something with parts, checked and spelled by the setting's `read`: equal values are equal texts. */
  readonly data: string;
}

export type SettingType = keyof SettingValues;

/** One thing that an operator may set: a flag and a key of the YAML file. */
export interface Setting<T extends SettingType = SettingType> {
  /** The flag without dashes: `ingester.cut-max-age`. */
  readonly key: string;
  /** Shorter flags for the same: `port`. */
  readonly aliases: readonly string[];
  /** The path in the YAML file, `ingester.cut_max_age`; undefined when only a flag makes sense. */
  readonly yaml: string | undefined;
  readonly type: T;
  readonly default: SettingValues[T];
  /** What the number counts, for the help: `bytes`, `profiles`. */
  readonly unit: string;
  /** One sentence for the help. */
  readonly meaning: string;
  /** Smallest and largest value allowed; numbers only. */
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** The words allowed; strings only. */
  readonly choices: readonly string[] | undefined;
  /** Never shown: a password, a key. */
  readonly isSecret: boolean;
  readonly read: ReadData | undefined;
}

/**
 * Checks a value with parts, as it was parsed from YAML or JSON, and returns what counts of it: plain data with every part in its place. `data` only.
 * @param where who wrote it, for the sentence. @throws ConfigError naming the part.
 */
export type ReadData = (tree: unknown, where: string) => unknown;

/** What is written down for a setting; the rest follows. */
export interface SettingSpec<T extends SettingType> {
  readonly key: string;
  readonly type: T;
  readonly default: SettingValues[T];
  readonly meaning: string;
  readonly aliases?: readonly string[];
  /** Left out: the key, with `_` for `-`. `null`: not in the file. */
  readonly yaml?: string | null;
  /** Left out: follows from the type. */
  readonly unit?: string;
  /** Left out: 0 for numbers. */
  readonly min?: number;
  readonly max?: number;
  readonly choices?: readonly string[];
  readonly isSecret?: boolean;
  /** `data` only, and needed there. */
  readonly read?: ReadData;
}

/** The settings of a configuration that is written down as an interface: a number may be a duration (ms), a size (bytes) or a count. */
export type SettingsFor<T> = {
  readonly [K in keyof T]: T[K] extends boolean
    ? Setting<'bool'>
    : T[K] extends number
      ? Setting<'duration'> | Setting<'bytes'> | Setting<'int'> | Setting<'float'>
      : T[K] extends string
        ? Setting<'string'> | Setting<'data'>
        : Setting<'list'> | Setting<'repeated'>;
};

/** Settings by group and name; the names are those of the object that `loadConfig` returns. */
export type Schema = Readonly<Record<string, Readonly<Record<string, Setting>>>>;

/** The values of a schema, frozen. */
export type Config<S extends Schema> = {
  readonly [G in keyof S]: { readonly [K in keyof S[G]]: SettingValues[S[G][K]['type']] };
};

const units: Readonly<Record<SettingType, string>> = {
  duration: 'duration',
  bytes: 'bytes',
  int: '',
  float: '',
  bool: '',
  string: '',
  list: 'comma list',
  repeated: 'may be repeated',
  data: 'JSON',
};

/** Describes a setting. */
export function setting<T extends SettingType>(spec: SettingSpec<T>): Setting<T> {
  return {
    key: spec.key,
    aliases: spec.aliases ?? [],
    yaml: spec.yaml === null ? undefined : (spec.yaml ?? spec.key.replaceAll('-', '_')),
    type: spec.type,
    default: spec.default,
    unit: spec.unit ?? units[spec.type],
    meaning: spec.meaning,
    min: spec.min,
    max: spec.max,
    choices: spec.choices,
    isSecret: spec.isSecret ?? false,
    read: spec.read,
  };
}

/** All settings of a schema, group by group. */
export function settingsOf(schema: Schema): Setting[] {
  return Object.values(schema).flatMap((group) => Object.values(group));
}
