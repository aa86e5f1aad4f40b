import { FaultGate, type FaultPlan } from '@kiln/disk';
import type { Appended, LogEntry, OpenLog, PartitionLog } from './partition-log.ts';

/** A call of a log, as a fault plan sees it. A read is asked about for each batch that it would deliver. */
export interface LogCall {
  readonly operation: 'open' | 'append' | 'read' | 'startOffset' | 'endOffset' | 'trim';
  readonly partition: number;
}

/** A log in trouble as planned: errors before and after the effect, delay, calls that overtake each other. */
export function faultyLog(
  log: PartitionLog,
  plan: FaultPlan<LogCall>,
  sleep?: (ms: number) => Promise<void>,
): PartitionLog {
  const gate = new FaultGate(plan, sleep);
  return {
    partitions: log.partitions,
    open: (partition): Promise<OpenLog> =>
      gate.run({ operation: 'open', partition }, async () => faultyOpenLog(await log.open(partition), gate)),
    [Symbol.asyncDispose]: (): PromiseLike<void> => log[Symbol.asyncDispose](),
  };
}

function faultyOpenLog(log: OpenLog, gate: FaultGate<LogCall>): OpenLog {
  const { id, partition } = log;
  async function* read(from: number, signal: AbortSignal): AsyncGenerator<LogEntry[], void, undefined> {
    for await (const entries of log.read(from, signal)) {
      yield await gate.run({ operation: 'read', partition }, async () => entries);
    }
  }
  return {
    id,
    partition,
    append: (record): Promise<Appended> => gate.run({ operation: 'append', partition }, () => log.append(record)),
    read,
    startOffset: (): Promise<number> => gate.run({ operation: 'startOffset', partition }, () => log.startOffset()),
    endOffset: (): Promise<number> => gate.run({ operation: 'endOffset', partition }, () => log.endOffset()),
    trim: (to): Promise<void> => gate.run({ operation: 'trim', partition }, () => log.trim(to)),
  };
}
