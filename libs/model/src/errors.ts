/** The status codes of gRPC and Connect, in Connect's spelling (https://connectrpc.com/docs/protocol#error-codes). */
export type Code =
  | 'canceled'
  | 'unknown'
  | 'invalid_argument'
  | 'deadline_exceeded'
  | 'not_found'
  | 'already_exists'
  | 'permission_denied'
  | 'resource_exhausted'
  | 'failed_precondition'
  | 'aborted'
  | 'out_of_range'
  | 'unimplemented'
  | 'internal'
  | 'unavailable'
  | 'data_loss'
  | 'unauthenticated';

/** What may travel with an error beside its sentence. */
export interface ErrorOptionsOfKiln {
  readonly cause?: unknown;
  /** Machine-readable reason, for example `label_value_too_long`; one of the reasons of contract §4.3 on the write path. */
  readonly reason?: string;
  /** Seconds after which the caller may try again; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;
  /** HTTP status of plain HTTP routes where it is not the code's own, for example 413 or 422. Connect and gRPC ignore it. */
  readonly httpStatus?: number;
  /** Whose data it is about where the thrower knows: the service of a profile. Kept for its tenant, and told to nobody else. */
  readonly about?: string;
}

/** The one error type: a code, and a sentence that says what was found, what is allowed and which setting changes it. */
export class KilnError extends Error {
  readonly code: Code;
  readonly reason: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly httpStatus: number | undefined;
  readonly about: string | undefined;

  constructor(code: Code, message: string, options: ErrorOptionsOfKiln = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KilnError';
    this.code = code;
    this.reason = options.reason;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.httpStatus = options.httpStatus;
    this.about = options.about;
  }

  /** Any thrown value as a KilnError: itself, `data_loss` for corrupt bytes, `canceled` for an abort, `deadline_exceeded` for a timeout, else `internal`. */
  static from(thrown: unknown): KilnError {
    if (thrown instanceof KilnError) return thrown;
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    return new KilnError(codeOfName[error.name] ?? 'internal', error.message, { cause: thrown });
  }
}

const codeOfName: Readonly<Record<string, Code>> = {
  CorruptDataError: 'data_loss',
  AbortError: 'canceled',
  TimeoutError: 'deadline_exceeded',
};
