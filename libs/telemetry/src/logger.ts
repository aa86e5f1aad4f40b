/** How much a line matters. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a line says beside its event. `undefined` values are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | bigint | undefined | Error>>;

/** Writes one line per event. */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger whose every line carries `fields` too. */
  with(fields: LogFields): Logger;
}

export interface LoggerOptions {
  /** Lines below it are not written. */
  readonly level: LogLevel;
  /** Takes a whole line with its line end. */
  readonly write: (line: string) => void;
  /** Unix milliseconds. */
  readonly nowMs: () => number;
}

const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** The names that `level` may have. */
export const logLevels: readonly LogLevel[] = order;

/** Logs as logfmt: `ts=2026-11-25T04:26:42.000Z level=info msg="…" key=value`. Line ends in values are escaped, so an event is always one line. */
export function createLogger(options: LoggerOptions): Logger {
  return boundLogger(options, '');
}

/** Drops everything; for tests. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLogger,
};

function boundLogger(options: LoggerOptions, bound: string): Logger {
  const log = (level: LogLevel) => {
    const wanted = order.indexOf(level) >= order.indexOf(options.level);
    return (event: string, fields: LogFields = {}): void => {
      if (!wanted) return;
      const ts = new Date(options.nowMs()).toISOString();
      options.write(`ts=${ts} level=${level} msg=${quoted(event)}${bound}${formatted(fields)}\n`);
    };
  };
  return {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    with: (fields) => boundLogger(options, bound + formatted(fields)),
  };
}

function formatted(fields: LogFields): string {
  let text = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${name}=${quoted(value instanceof Error ? described(value) : String(value))}`;
  }
  return text;
}

/** An error with its causes; the stack only where nobody expected the error. */
function described(error: Error): string {
  const named = error.name !== 'Error' && error.name !== 'TypeError' && error.name !== 'RangeError';
  const text = named || error.stack === undefined ? error.message : error.stack;
  return error.cause instanceof Error && !text.includes(error.cause.message)
    ? `${text}: ${described(error.cause)}`
    : text;
}

const plain = /^[^\s"=\\\p{Cc}]+$/u;

function quoted(value: string): string {
  return plain.test(value) ? value : JSON.stringify(value);
}
