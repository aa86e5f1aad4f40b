import type { DynamicModule } from '@nestjs/common';
import type { Clock, MemoryLedger } from '@kiln/async';
import type { TenantId } from '@kiln/model';
import { InFlight } from '@kiln/rpc';
import { silentLogger, type Logger, type Metrics } from '@kiln/telemetry';
import { RateLimiter, type Limits } from '@kiln/tenant';
import type { DistributorConfig } from './config.ts';
import type { Distributor } from './distributor.ts';
import { Intake, type IntakeObserver, type Reader } from './intake.ts';
import { GroupNames } from './group-names.ts';
import { PushLog } from './push-log.ts';
import { PushTurns } from './push-turns.ts';
import { Quota } from './quota.ts';
import { writeLimits } from './write-limits.ts';
import { REJECTIONS_HTTP_PORTS, RejectionsHttp } from './rejections.http.ts';
import { Rejections } from './rejections.ts';
import { PUSH_HTTP_PORTS, PushHttp, type PushHttpPorts } from './push.http.ts';

export interface DistributorModulePorts {
  readonly distributor: Distributor;
  readonly limits: (tenant: TenantId) => Limits;
  /** The tenant of a write, from the value of X-Scope-OrgID. */
  readonly tenantOf: (header: string | undefined) => TenantId;
  /** The tenants of a read, from the same. */
  readonly tenantsOf: (header: string | undefined) => readonly TenantId[];
  /** Reads requests: here, or in other threads. */
  readonly reader: Reader;
  /** @throws KilnError when the tenant may store nothing more: asked before a push is read. */
  readonly admit: (tenant: TenantId) => void;
  /** As `admit`, asked before so many bytes are appended: takes that room until they are. */
  readonly takeRoom: (tenant: TenantId, bytes: number) => Disposable;
  /** Of the process: bodies are counted in it. */
  readonly ledger?: MemoryLedger | undefined;
  readonly clock: Clock;
  /** Hears of every push; none = nobody does. */
  readonly log?: Logger | undefined;
  readonly metrics: Metrics;
}

class DistributorModule {}

/** Wires the distributor. */
export function distributorModule(
  { inFlightMaxBytes }: DistributorConfig,
  ports: DistributorModulePorts,
): DynamicModule {
  const { distributor, limits, tenantOf, tenantsOf, reader, admit, takeRoom, ledger, clock, log, metrics } = ports;
  const rates = new RateLimiter(clock);
  const quota = new Quota(clock);
  const rejections = new Rejections(clock);
  const intake = new Intake({
    reader,
    distributor,
    limits: (tenant, isBackfill) => writeLimits(limits(tenant), isBackfill),
    rate: {
      check: (tenant, bytes) => rates.check(tenant, bytes, limits(tenant)),
      take: (tenant, bytes) => rates.take(tenant, bytes, limits(tenant)),
    },
    quota: (tenant) => quota.admit(tenant, limits(tenant).ingestionLimit),
    takeRoom,
    clock,
    observe: observer(metrics, rejections),
  });
  const inFlight = new InFlight(inFlightMaxBytes, 'distributor.in-flight-max-bytes', { ledger });
  metrics.gaugeOf(
    {
      name: 'kiln_distributor_in_flight_bytes',
      help: 'Bytes of the bodies of pushes not answered yet.',
    },
    () => inFlight.usedBytes,
  );
  const httpPorts: PushHttpPorts = {
    intake,
    inFlight,
    turns: new PushTurns((tenant) => limits(tenant).maxConcurrentPushes),
    delayMsOf: (tenant) => limits(tenant).ingestionArtificialDelayMs,
    tenantOf,
    admit,
    rejections,
    clock,
    log: new PushLog(log ?? silentLogger, clock),
  };
  return {
    module: DistributorModule,
    controllers: [PushHttp, RejectionsHttp],
    providers: [
      { provide: PUSH_HTTP_PORTS, useValue: httpPorts },
      { provide: REJECTIONS_HTTP_PORTS, useValue: { rejections, tenantsOf } },
    ],
  };
}

function observer(metrics: Metrics, rejections: Rejections): IntakeObserver {
  const names = new GroupNames();
  const profiles = metrics.counter({ name: 'kiln_distributor_profiles_total', help: 'Profiles stored.' });
  const bytes = metrics.counter({
    name: 'kiln_distributor_received_bytes',
    help: 'Uncompressed bytes of stored profiles.',
  });
  const refused = metrics.counter({
    name: 'kiln_discarded_profiles_total',
    help: 'Profiles refused, by reason.',
    labels: ['reason'],
  });
  const refusedBytes = metrics.counter({
    name: 'kiln_discarded_bytes_total',
    help: 'Bytes of refused profiles as received, by reason.',
    labels: ['reason'],
  });
  const cut = metrics.counter({
    name: 'kiln_distributor_truncated_total',
    help: 'Stacks cut at max_profile_stacktrace_depth and strings cut at max_profile_symbol_value_length.',
    labels: ['what'],
  });
  const groupReceived = metrics.counter({
    name: 'kiln_distributor_usage_group_received_bytes_total',
    help: 'Uncompressed bytes of stored profiles, by tenant and usage group, of tenants that have such groups.',
    labels: ['tenant', 'usage_group'],
  });
  const groupDiscarded = metrics.counter({
    name: 'kiln_distributor_usage_group_discarded_bytes_total',
    help: 'Bytes of refused profiles as received, by reason, tenant and usage group, of tenants that have such groups.',
    labels: ['reason', 'tenant', 'usage_group'],
  });
  return {
    stored: (_tenant, count, size) => {
      profiles.add(count);
      bytes.add(size);
    },
    discarded: (tenant, reason, size, groups) => {
      refused.add(1, { reason });
      refusedBytes.add(size, { reason });
      for (const group of groups) groupDiscarded.add(size, { reason, tenant, usage_group: names.of(tenant, group) });
    },
    received: (tenant, group, size) => groupReceived.add(size, { tenant, usage_group: names.of(tenant, group) }),
    truncated: (_tenant, what, count) => cut.add(count, { what }),
    remarked: (tenant, why) => rejections.note(tenant, why),
  };
}
