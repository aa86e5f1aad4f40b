import { Module, type DynamicModule } from '@nestjs/common';
import type { IngesterConfig } from './config.ts';
import { Ingester, type IngesterPorts } from './ingester.ts';

@Module({})
class IngesterModule {}

/** Wires the ingester. It has no routes of its own in one process; the caller starts and stops the `Ingester` it provides. */
export function ingesterModule(config: IngesterConfig, ports: IngesterPorts): DynamicModule {
  return {
    module: IngesterModule,
    providers: [{ provide: Ingester, useFactory: () => new Ingester(config, ports) }],
    exports: [Ingester],
  };
}
