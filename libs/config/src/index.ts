export { ConfigError } from './config-error.ts';
export { changedTree, fileTree } from './file-tree.ts';
export { parseFlags, type Flags } from './flags.ts';
export { helpText } from './help-text.ts';
export { loadConfig, readSettings, type YamlFile } from './load-config.ts';
export { nearest } from './nearest.ts';
export { DURATION, formatBytes, formatDuration, parseBytes, parseDuration } from './quantity.ts';
export {
  setting,
  settingsOf,
  type Config,
  type ReadData,
  type Schema,
  type Setting,
  type SettingSpec,
  type SettingsFor,
  type SettingType,
  type SettingValues,
} from './setting.ts';
