/** Where the page takes the time from: handed down from main.tsx, so that tests can set it. Milliseconds since 1970. */
export interface PageClock {
  nowMs(): number;
}
