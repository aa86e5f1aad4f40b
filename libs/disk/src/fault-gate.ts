/** Trouble for one call. Several may come together: it waits, then fails before or after its effect. */
export interface Fault {
  /** Waits so long first; needs the gate's `sleep`. */
  readonly delayMs?: number;
  /** Waits until so many later calls have ended (or no other call is under way): later calls overtake it. */
  readonly overtakenBy?: number;
  /** Fails without effect. */
  readonly before?: Error;
  /** Takes effect, then fails. */
  readonly after?: Error;
}

/** Decides what happens to a call; undefined: nothing. */
export type FaultPlan<Call> = (call: Call) => Fault | undefined;

/** How often each kind of trouble comes, 0 to 1. */
export interface FaultRates {
  readonly before?: number;
  readonly after?: number;
  readonly overtaken?: number;
}

/** A plan by chance: the same seed, the same trouble. */
export function randomFaults(random: () => number, rates: FaultRates, error: () => Error): FaultPlan<unknown> {
  return () => {
    const before = random() < (rates.before ?? 0);
    const after = random() < (rates.after ?? 0);
    const overtaken = random() < (rates.overtaken ?? 0);
    return {
      ...(before ? { before: error() } : {}),
      ...(after ? { after: error() } : {}),
      ...(overtaken ? { overtakenBy: 1 + Math.floor(random() * 3) } : {}),
    };
  };
}

/** Lets calls of a port through as its plan says. The fault wrappers of the ports are made of it. */
export class FaultGate<Call> {
  readonly #plan: FaultPlan<Call>;
  readonly #sleep: (ms: number) => Promise<void>;
  readonly #held = new Set<{ left: number; readonly go: () => void }>();
  #running = 0;

  constructor(plan: FaultPlan<Call>, sleep: (ms: number) => Promise<void> = noSleep) {
    this.#plan = plan;
    this.#sleep = sleep;
  }

  async run<T>(call: Call, effect: () => Promise<T>): Promise<T> {
    const fault = this.#plan(call) ?? {};
    if (fault.delayMs !== undefined) await this.#sleep(fault.delayMs);
    if (fault.overtakenBy !== undefined && fault.overtakenBy > 0) await this.#hold(fault.overtakenBy);
    if (fault.before !== undefined) throw fault.before;
    this.#running++;
    try {
      const result = await effect();
      if (fault.after !== undefined) throw fault.after;
      return result;
    } finally {
      this.#running--;
      this.#ended();
    }
  }

  #hold(left: number): Promise<void> {
    return new Promise((go) => {
      this.#held.add({ left, go });
      // One turn, so that calls made together may overtake; with nothing under way nobody would ever let it go.
      queueMicrotask(() => {
        if (this.#running === 0) this.#release();
      });
    });
  }

  #ended(): void {
    for (const held of this.#held) {
      held.left--;
      if (held.left > 0) continue;
      this.#held.delete(held);
      held.go();
    }
    if (this.#running === 0) this.#release();
  }

  #release(): void {
    for (const held of this.#held) held.go();
    this.#held.clear();
  }
}

async function noSleep(): Promise<void> {
  throw new Error('a plan with delays needs a sleep');
}
