import { stringify } from 'yaml';
import { changedTree, fileTree, loadConfig, parseFlags } from '@kiln/config';
import type { ConfigPages } from '@kiln/nest';
import { startSchema, type StartConfig } from './settings.ts';

/** The settings of a process as YAML that `--config.file` takes; `/api/v1/status/config` shows them. */
export function configPages(config: StartConfig): ConfigPages {
  const defaults = loadConfig(startSchema, parseFlags(startSchema, []));
  return {
    effective: stringify(fileTree(startSchema, config)),
    diff: stringify(changedTree(startSchema, config)),
    defaults: stringify(fileTree(startSchema, defaults)),
  };
}
