/** Everything that can happen to a run, by name: faults that were struck, and what the roles did meanwhile. */
export const HAPPENINGS = {
  faults: [
    'store: error before',
    'store: answer lost',
    'store: write lands late',
    'store: writes reordered',
    'store: slow call',
    'store: list is late',
    'store: cut bytes',
    'store: wrong bytes',
    'store: down',
    'log: error before',
    'log: answer lost',
    'log: slow call',
    'owner crash',
    'compactor crash',
    'client crash',
    'owner stopped',
    'two owners',
    'two compactors',
    'clock +1 h',
    'clock -1 h',
    'clock +1 d',
    'clock -1 d',
    'client retry',
    'late data',
    'stale reader',
    'sleepy reader',
    'power loss',
    'machine killed',
    'disk: full',
    'disk: i/o error',
    'disk above its mark',
    'tenant above its limit',
    'undecodable record',
    'log loses records',
    'log replaced',
  ],
  work: [
    'pushes',
    'copies in the log',
    'manifests',
    'lost races',
    'blocks live',
    'merges',
    'blocks past retention',
    'blocks gone for room',
    'trims',
    'objects deleted',
    'answers: exact',
    'answers: flagged',
    'answers: error',
    'answers: planned again',
    'pauses over budget',
  ],
} as const;

export type Happening = (typeof HAPPENINGS)['faults' | 'work'][number];

/** How often each thing happened. */
export class Tally {
  readonly counts: Map<Happening, number> = new Map();

  add(what: Happening, count = 1): void {
    this.counts.set(what, this.of(what) + count);
  }

  of(what: Happening): number {
    return this.counts.get(what) ?? 0;
  }

  join(other: Tally): void {
    for (const [what, count] of other.counts) this.add(what, count);
  }

  /** The table that a run prints. */
  get table(): string {
    const line = (what: Happening): string => `  ${what.padEnd(26)}${String(this.of(what)).padStart(9)}`;
    return ['faults struck', ...HAPPENINGS.faults.map(line), 'what went on', ...HAPPENINGS.work.map(line)].join('\n');
  }
}
