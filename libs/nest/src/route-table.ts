/** Which methods each known path takes, so that a wrong method is told from an unknown path. */
export class RouteTable {
  readonly #exact = new Map<string, Set<string>>();
  readonly #prefixes = new Map<string, Set<string>>();

  /** `path` is exact, or ends with `*` for everything below it. */
  add(path: string, methods: readonly string[]): void {
    const star = path.indexOf('*');
    const table = star < 0 ? this.#exact : this.#prefixes;
    const key = star < 0 ? path : path.slice(0, star);
    const known = table.get(key) ?? new Set();
    for (const method of methods) known.add(method);
    table.set(key, known);
  }

  /** The methods of a path, sorted; empty when nothing is known under it. */
  methodsOf(path: string): string[] {
    const methods = new Set(this.#exact.get(path));
    for (const [prefix, known] of this.#prefixes) {
      if (path.startsWith(prefix)) for (const method of known) methods.add(method);
    }
    return [...methods].toSorted((a, b) => (a < b ? -1 : 1));
  }
}
