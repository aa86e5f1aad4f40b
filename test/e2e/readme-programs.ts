import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { cache, clients, run, type Tool } from './programs.ts';

/** README's lines for one language, made a program that burns CPU until its SDK has sent. Its packages are those of the program of `currentPrograms`. */
export interface ReadmeProgram {
  /** As README's code block says it. */
  readonly language: 'python' | 'go' | 'js' | 'rust';
  readonly tool: Tool;
  readonly kind: string;
  /** The whole program. */
  write(code: string): string;
  /** @param folder holds nothing yet, and gets it */
  run(program: string, folder: string): Promise<void>;
}

const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';

export const readmePrograms: readonly ReadmeProgram[] = [
  {
    language: 'python',
    tool: 'python3',
    kind: CPU,
    write: (code) => `${code}
import time
end = time.monotonic() + 25
while time.monotonic() < end:
    sum(i * i for i in range(10000))
pyroscope.shutdown()
`,
    run: async (program, folder) => {
      await writeFile(join(folder, 'readme.py'), program);
      await run(join(cache, 'python-current/bin/python'), [join(folder, 'readme.py')]);
    },
  },
  {
    language: 'go',
    tool: 'go',
    kind: CPU,
    // Go's SDK sends CPU every 15 s, and its ticker may start a moment before its profile: then the first tick is skipped.
    write: (code) => {
      const [imported, start] = headAndRest(code);
      return `package main

import "time"
${imported}

func main() {
${start}
	x := 0
	for end := time.Now().Add(33 * time.Second); time.Now().Before(end); {
		x += x*31 + 1
	}
	println(x)
}
`;
    },
    run: async (program, folder) => {
      for (const file of ['go.mod', 'go.sum']) await cp(join(clients, 'go', file), join(folder, file));
      await writeFile(join(folder, 'main.go'), program);
      await run('go', ['build', '-mod=mod', '-o', 'hot', '.'], { cwd: folder });
      await run(join(folder, 'hot'), []);
    },
  },
  {
    language: 'js',
    tool: 'npm',
    kind: 'wall:wall:nanoseconds:wall:nanoseconds',
    write: (code) => `${code}
const end = Date.now() + 14_000;
function burn() {
  for (const stop = Date.now() + 50; Date.now() < stop; );
  if (Date.now() < end) setImmediate(burn);
  else void Pyroscope.stop().then(() => process.exit(0));
}
burn();
`,
    run: async (program, folder) => {
      await symlink(join(cache, 'node-current/node_modules'), join(folder, 'node_modules'));
      await writeFile(join(folder, 'readme.mjs'), program);
      await run('node', [join(folder, 'readme.mjs')]);
    },
  },
  {
    language: 'rust',
    tool: 'cargo',
    kind: CPU,
    // It sends when the clock shows a multiple of ten seconds, and what has come since the last of these may be lost when it ends.
    write: (code) => {
      const [used, start] = headAndRest(code);
      return `${used}
fn main() -> Result<(), Box<dyn std::error::Error>> {
${start}
    let end = std::time::Instant::now() + std::time::Duration::from_secs(25);
    let mut x = 0u64;
    while std::time::Instant::now() < end {
        x = std::hint::black_box(x.wrapping_mul(31).wrapping_add(1));
    }
    agent.stop()?.shutdown();
    Ok(())
}
`;
    },
    run: async (program, folder) => {
      const built = join(cache, 'rust-current');
      await mkdir(join(folder, 'src'));
      // Another name, and the rest as built: only this program is compiled.
      for (const file of ['Cargo.toml', 'Cargo.lock'])
        await writeFile(
          join(folder, file),
          (await readFile(join(built, file), 'utf8')).replace('name = "hot-rust"', 'name = "readme-rust"'),
        );
      await writeFile(join(folder, 'src/main.rs'), program);
      const target = join(built, 'target');
      await run('cargo', ['build', '--release', '--quiet'], { cwd: folder, env: { CARGO_TARGET_DIR: target } });
      await run(join(target, 'release/readme-rust'), []);
    },
  },
];

/** README's lines of a language, but for the server's address and the application's name. */
export function codeOf({ language }: ReadmeProgram, readme: string, url: string): string {
  const address = 'http://127.0.0.1:4040';
  const code = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1];
  expect(code, `README’s lines for ${language}`).toContain(address);
  return code!.replace(address, url).replace('my-app', `readme-${language}`);
}

/** Writes the program into a folder of its own and runs it to its end. */
export async function runReadmeProgram(program: ReadmeProgram, code: string, dir: string): Promise<void> {
  const folder = join(dir, program.language);
  await mkdir(folder);
  await program.run(program.write(code), folder);
}

/** Imports, which come before the first empty line, and what follows. */
function headAndRest(code: string): [string, string] {
  const [head, ...rest] = code.trim().split('\n\n');
  return [head!, rest.join('\n\n')];
}
