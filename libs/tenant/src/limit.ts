import { setting, type Setting, type SettingSpec, type SettingType } from '@kiln/config';

/** A limit lives under `limits:` in the file, under the name that operators of Pyroscope know (contract/pyroscope.md §6.1). */
export function limit<T extends SettingType>(yaml: string, spec: SettingSpec<T>): Setting<T> {
  return setting({ ...spec, yaml: `limits.${yaml}` });
}

export const MIB = 1_048_576;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
