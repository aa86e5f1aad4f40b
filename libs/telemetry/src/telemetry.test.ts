import { describe, expect, test } from 'vitest';
import { createLogger, createMetrics, noTelemetry, type LogLevel } from './index.ts';

function lines(level: LogLevel): { out: string[]; log: ReturnType<typeof createLogger> } {
  const out: string[] = [];
  return { out, log: createLogger({ level, write: (line) => out.push(line), nowMs: () => 0 }) };
}

describe('logger', () => {
  test('an event is one logfmt line, whatever is in it', () => {
    const { out, log } = lines('info');
    log.with({ role: 'ingester' }).warn('cut\nfailed', { path: 'a b', n: 3, none: undefined, q: 'x="y"' });
    expect(out).toEqual([
      'ts=1970-01-01T00:00:00.000Z level=warn msg="cut\\nfailed" role=ingester path="a b" n=3 q="x=\\"y\\""\n',
    ]);
  });

  test('lines below the level are not written', () => {
    const { out, log } = lines('warn');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    expect(out.map((line) => /msg=(\w)/.exec(line)?.[1])).toEqual(['c', 'd']);
  });

  test('an error comes with its causes', () => {
    const { out, log } = lines('info');
    class NamedError extends Error {
      override name = 'NamedError';
    }
    log.error('x', { error: new NamedError('upload failed', { cause: new NamedError('disk full') }) });
    expect(out[0]).toContain('error="upload failed: disk full"');
  });
});

describe('metrics', () => {
  test('what is counted can be read back', async () => {
    const metrics = createMetrics({ ofProcess: false });
    const pushes = metrics.counter({ name: 'kiln_test_pushes_total', help: 'Pushes.', labels: ['reason'] });
    pushes.add(2, { reason: 'late' });
    pushes.add(1, { reason: 'late' });
    metrics.gaugeOf({ name: 'kiln_test_head_bytes', help: 'Bytes.' }, () => 42);
    metrics.histogram({ name: 'kiln_test_push_seconds', help: 'Time.', buckets: [1, 2] }).observe(1.5);
    const text = await metrics.text();
    expect(text).toContain('kiln_test_pushes_total{reason="late"} 3');
    expect(text).toContain('kiln_test_head_bytes 42');
    expect(text).toContain('kiln_test_push_seconds_bucket{le="2"} 1');
  });

  test('the process describes itself under kiln_', async () => {
    const text = await createMetrics({ ofProcess: true }).text();
    expect(text).toMatch(/^kiln_process_cpu_seconds_total /m);
    expect(text).toMatch(/^kiln_nodejs_eventloop_lag_p99_seconds /m);
    expect(text).toMatch(/^kiln_nodejs_heap_size_used_bytes /m);
    expect(text).not.toMatch(/process_heap_bytes/); // which is address space
  });

  test('a name outside kiln_ is refused', () => {
    expect(() => createMetrics({ ofProcess: false }).counter({ name: 'pushes', help: '' })).toThrow('kiln_');
  });

  test('the twin for tests takes everything', () => {
    expect(() => noTelemetry.metrics.counter({ name: 'x', help: '' }).add()).not.toThrow();
    expect(() => noTelemetry.log.with({}).error('x')).not.toThrow();
  });
});
