import { appendFileSync } from 'node:fs';

/**
 * Whether a test can run that needs something this machine may lack: a server, a client of another language, a tool. When it is missing, one line says
 * what is skipped and why; where services are required (`KILN_REQUIRE_SERVICES=1`, as CI sets it), that is a failure.
 *
 *     const python = requireService('Python SDK', hasPython(), 'python3 with pyroscope-io is not installed');
 *     test.skipIf(!python)('…', …);
 */
export function requireService(name: string, ok: boolean, why: string): boolean {
  if (ok) return true;
  if (process.env['KILN_REQUIRE_SERVICES'] === '1') throw new Error(`${name} is required here and missing: ${why}`);
  const line = `skipped: ${name}: ${why}\n`;
  const report = process.env['KILN_SKIPS_FILE'];
  if (report === undefined) process.stderr.write(line);
  else appendFileSync(report, line);
  return false;
}

/** Whether the long forms were asked for: `./kiln test --long`. */
export const long: boolean = process.env['KILN_LONG'] === '1';
