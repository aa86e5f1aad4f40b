import { withTimeout, type Clock } from '@kiln/async';

/** One thing that must hold before the process takes traffic. */
export interface ReadyCheck {
  /** Who is asked, for example `ingester`. */
  readonly name: string;
  /** Why not, in words; undefined when ready. */
  reason(): string | undefined | Promise<string | undefined>;
}

/** What a probe is told. */
export interface Readiness {
  readonly ready: boolean;
  /** One line per check, and the notes. */
  readonly lines: readonly string[];
}

const CHECK_MS = 1_000;

/** Collects the checks of all roles. Once the process is stopping it is never ready again. */
export class ReadyChecks {
  readonly #clock: Clock;
  readonly #checks: readonly ReadyCheck[];
  readonly #notes: () => readonly string[];
  #stopping = false;

  /** @param notes what else an operator should know; does not make the process unready */
  constructor(clock: Clock, checks: readonly ReadyCheck[], notes: () => readonly string[] = () => []) {
    this.#clock = clock;
    this.#checks = checks;
    this.#notes = notes;
  }

  stop(): void {
    this.#stopping = true;
  }

  async look(): Promise<Readiness> {
    if (this.#stopping) return { ready: false, lines: ['kiln not ready: stopping'] };
    const reasons = await Promise.all(this.#checks.map((check) => this.#reasonOf(check)));
    const lines = this.#checks.map(({ name }, i) =>
      reasons[i] === undefined ? `${name}: ready` : `${name} not ready: ${reasons[i]}`,
    );
    return { ready: reasons.every((reason) => reason === undefined), lines: [...lines, ...this.#notes()] };
  }

  async #reasonOf(check: ReadyCheck): Promise<string | undefined> {
    try {
      return await withTimeout(this.#clock, CHECK_MS, 'the check', async () => check.reason());
    } catch (error) {
      return (error as Error).message;
    }
  }
}
