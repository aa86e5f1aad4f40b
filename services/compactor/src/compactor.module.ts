import type { DynamicModule } from '@nestjs/common';
import { COMPACTOR, CompactorHttp } from './compactor.http.ts';
import type { Compactor } from './compactor.ts';

class CompactorModule {}

/** Wires the compactor's edge. */
export function compactorModule(compactor: Compactor): DynamicModule {
  return {
    module: CompactorModule,
    controllers: [CompactorHttp],
    providers: [{ provide: COMPACTOR, useValue: compactor }],
  };
}
