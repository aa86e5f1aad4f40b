import { stringify } from 'yaml';
import { changedTree, fileTree, loadConfig, parseFlags } from '@kiln/config';
import type { ConfigPages } from '@kiln/nest';
import { limitSettings, type TenantLimits } from '@kiln/tenant';
import { startSchema, type StartConfig } from './settings.ts';

/**
 * The settings of a process as YAML that `--config.file` takes, and those of tenants that `--runtime-config.file` takes; `/api/v1/status/config` and
 * `/runtime_config` show them.
 * @param effective with what was left to Kiln filled in.
 */
export function configPages(config: StartConfig, effective: StartConfig, limits: TenantLimits): ConfigPages {
  const defaults = loadConfig(startSchema, parseFlags(startSchema, []));
  return {
    effective: stringify(fileTree(startSchema, effective)),
    diff: stringify(changedTree(startSchema, config)),
    defaults: stringify(fileTree(startSchema, defaults)),
    ...(config.process.overridesFiles.length === 0
      ? {}
      : { runtime: (onlyDifferences: boolean) => stringify(overridesTree(limits, onlyDifferences)) }),
  };
}

function overridesTree(limits: TenantLimits, onlyDifferences: boolean): Record<string, unknown> {
  const overrides: Record<string, unknown> = {};
  for (const [tenant, own] of limits.overrides) {
    const { limits: tree } = fileTree({ limits: limitSettings }, { limits: limits.of(tenant) });
    const names = new Set(Object.keys(own).map((name) => limitSettings[name as keyof typeof own].yaml));
    const shown = Object.entries(tree as object).filter(([key]) => !onlyDifferences || names.has(`limits.${key}`));
    overrides[tenant] = Object.fromEntries(shown);
  }
  return { overrides };
}
