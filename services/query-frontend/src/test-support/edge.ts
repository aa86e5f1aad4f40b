import { onTestFinished } from 'vitest';
import { systemClock, type Random } from '@kiln/async';
import { parseTenantIds } from '@kiln/model';
import { httpDefaults, runPlatform } from '@kiln/nest';
import { createMetrics, silentLogger, type MetricsRegistry } from '@kiln/telemetry';
import { queryFrontendDefaults } from '../config.ts';
import { queryFrontendModule, type QueryFrontendModulePorts } from '../query-frontend.module.ts';
import { toolPorts } from './tool-ports.ts';

interface EdgeOptions extends Partial<QueryFrontendModulePorts> {
  readonly answerer: QueryFrontendModulePorts['answerer'];
  readonly config?: typeof queryFrontendDefaults;
  readonly random?: Random;
}

/** The query-frontend alone on a port, over what answers its queries. It stops with the test. */
export async function edge({
  config = queryFrontendDefaults,
  random = () => 0,
  ...ports
}: EdgeOptions): Promise<{ readonly port: number; readonly url: string; readonly metrics: MetricsRegistry }> {
  const metrics = createMetrics({ ofProcess: false });
  const clock = systemClock();
  const platform = await runPlatform({
    modules: [
      queryFrontendModule(config, {
        ...toolPorts(),
        tenantsOf: parseTenantIds,
        limitOf: () => 0,
        clock,
        metrics,
        ...ports,
      }),
    ],
    http: { ...httpDefaults, port: 0 },
    log: silentLogger,
    metrics,
    clock,
    random,
    build: { version: '', revision: '', branch: '', runtime: '' },
    config: { effective: '', diff: '', defaults: '' },
    checks: [],
    shutdownDelayMs: 0,
    drainMs: 0,
  });
  onTestFinished(() => platform.stop());
  return { port: platform.port, url: `http://127.0.0.1:${platform.port}`, metrics };
}
