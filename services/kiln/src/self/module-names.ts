import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Where a function stands: the module's path below the root of the program, and the line in it, from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** The bundler writes the path of each module, below the root, in front of its code. */
const MODULE = /^\/\/ ((?:libs|services|node_modules)\/\S+\.[cm]?js)$/;

/** The modules that a file of the bundle is made of: the line that each begins on, ascending. */
interface Modules {
  readonly begins: readonly number[];
  readonly files: readonly string[];
}

/** Says in which module a function was written, though it runs from a file that many modules were put into. */
export class ModuleNames {
  readonly #root: string;
  readonly #files = new Map<string, Modules>();

  /** @param root folder of the program as a URL that ends with a slash: files are named below it, not where they were installed. */
  constructor(root: string) {
    this.#root = root;
  }

  /** @param url of the file that runs; what lies outside the root keeps its last name only. @param line in it, from 1. */
  placeOf(url: string, line: number): Place {
    if (!url.startsWith(this.#root)) return { file: url.replace(/^file:.*\//, ''), line };
    const { begins, files } = this.#modulesOf(url);
    const module = begins.findLastIndex((begin) => begin <= line);
    if (module < 0) return { file: url.slice(this.#root.length), line };
    return { file: files[module]!, line: line - begins[module]! };
  }

  #modulesOf(url: string): Modules {
    const known = this.#files.get(url);
    if (known !== undefined) return known;
    const begins: number[] = [];
    const files: string[] = [];
    for (const [i, text] of linesOf(url).entries()) {
      const file = MODULE.exec(text)?.[1];
      if (file === undefined) continue;
      begins.push(i + 1);
      files.push(file);
    }
    const modules = { begins, files };
    this.#files.set(url, modules);
    return modules;
  }
}

function linesOf(url: string): string[] {
  try {
    return readFileSync(fileURLToPath(url), 'utf8').split('\n');
  } catch {
    return []; // the program was replaced while it runs
  }
}
