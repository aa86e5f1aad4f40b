/** How many queries run and wait. */
export interface QueryQueueConfig {
  /** Queries that run at once in this process. */
  readonly maxConcurrent: number;
  /** Queries that may wait, of all tenants together. */
  readonly maxWaiting: number;
}

/**
 * Four at once keep a thread or two busy while objects are read, and their trees are what memory must hold. 256 wait a few seconds behind them: a
 * dashboard asks for dozens together.
 */
const queryQueueDefaults: QueryQueueConfig = { maxConcurrent: 4, maxWaiting: 256 };

/** What a query is counted with in the memory of the process while it runs, bytes: an estimate, because what it will hold is not known before. */
export const BYTES_PER_QUERY: number = 64 * 1024 * 1024;

/** What an operator may set on a query-frontend. */
export interface QueryFrontendConfig extends QueryQueueConfig {
  /** Bytes that the messages of all queries not answered yet may hold together. */
  readonly inFlightMaxBytes: number;
}

/** A query is hundreds of bytes, its message a MiB at most: this is sixty-four of the largest, or a hundred thousand of the usual ones. */
export const queryFrontendDefaults: QueryFrontendConfig = {
  ...queryQueueDefaults,
  inFlightMaxBytes: 64 * 1024 * 1024,
};
