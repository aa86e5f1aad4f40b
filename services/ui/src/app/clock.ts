/** Where the page takes the time and its timers from: handed down from main.tsx, so that tests can set them. */
export interface PageClock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Calls once, after so many milliseconds, unless what it returns is called before. */
  after(ms: number, act: () => void): () => void;
}
