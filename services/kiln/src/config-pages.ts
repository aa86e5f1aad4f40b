import { stringify } from 'yaml';
import { changedTree, fileTree, loadConfig, parseFlags } from '@kiln/config';
import type { ConfigPages } from '@kiln/nest';
import { startSchema, type StartConfig } from './settings.ts';

/**
 * The settings of a process as YAML that `--config.file` takes; `/api/v1/status/config` shows them.
 * @param effective with what was left to Kiln filled in.
 */
export function configPages(config: StartConfig, effective: StartConfig): ConfigPages {
  const defaults = loadConfig(startSchema, parseFlags(startSchema, []));
  return {
    effective: stringify(fileTree(startSchema, effective)),
    diff: stringify(changedTree(startSchema, config)),
    defaults: stringify(fileTree(startSchema, defaults)),
  };
}
