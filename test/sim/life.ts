import type { Clock } from '@kiln/async';
import type { World } from './world.ts';

/**
 * A simulated process. Its ports pass through `step`: once it is dead no call of it ends and none it makes takes effect; what it had sent before may
 * still land. Its memory is dropped with it.
 */
export class Life {
  readonly world: World;
  readonly name: string;
  /** How much its clock is ahead of the world's. */
  skewMs = 0;
  dead = false;
  readonly #died = Promise.withResolvers<void>();
  #stepsLeft = Infinity;
  #struck: (() => void) | undefined;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    world.lives.push(this);
  }

  /** Resolves when it dies. */
  get died(): Promise<void> {
    return this.#died.promise;
  }

  /** It will die at its `steps`-th call from now on: at any await; `struck` is called then. */
  dieIn(steps: number, struck?: () => void): void {
    this.#stepsLeft = steps;
    this.#struck = struck;
  }

  die(): void {
    if (!this.dead) this.world.note(`${this.name} dies`);
    this.end();
  }

  /** It dies with its machine. */
  end(): void {
    this.dead = true;
    this.#died.resolve();
  }

  /** What happens at a named step of a transition; absent: what happens at any call. */
  atStep: ((name: string) => void | Promise<void>) | undefined;

  /** A named step of a transition was reached. */
  async reach(name: string): Promise<void> {
    await this.atStep?.(name);
    await this.step();
  }

  /** Stands before and after every call to the outside. */
  async step(): Promise<void> {
    if (!this.dead && --this.#stepsLeft < 0) {
      this.#struck?.();
      this.die();
    }
    if (this.dead) await new Promise<never>(() => undefined);
  }

  /** The work, or undefined when the process dies first. */
  outlives<T>(work: Promise<T>): Promise<T | undefined> {
    work.catch(() => undefined);
    return Promise.race([work, this.died.then(() => undefined)]);
  }

  readonly clock: Clock = {
    nowMs: () => this.world.clock.nowMs() + this.skewMs,
    sleep: async (ms, signal) => {
      await this.world.clock.sleep(ms, signal);
      await this.step();
    },
  };
}
