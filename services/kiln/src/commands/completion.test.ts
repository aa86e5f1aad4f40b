import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { run } from '../test-terminal.test-support.ts';

const hasBash = spawnSync('bash', ['--version']).status === 0;

/** What bash would offer for a line of which the last word is being typed. */
async function offered(...words: string[]): Promise<string[]> {
  const { out } = await run('completion', 'bash');
  const ask = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _kiln; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, status } = spawnSync('bash', ['-c', `${out}\n${ask}`], { encoding: 'utf8' });
  expect(status).toBe(0);
  return stdout.split('\n').filter((line) => line !== '');
}

test.skipIf(!hasBash)('bash completes commands, actions and flags', { timeout: 60_000 }, async () => {
  expect(await offered('kiln', 'qu')).toEqual(['query']);
  expect(await offered('kiln', 'com')).toEqual(['compact', 'completion']);
  expect(await offered('kiln', 'help', 'conv')).toEqual(['convert']);
  expect(await offered('kiln', 'query', 'pro')).toEqual(['profile']);
  expect(await offered('kiln', 'query', '--max-n')).toEqual(['--max-nodes']);
  expect(await offered('kiln', 'start', '--self-profiling.en')).toEqual(['--self-profiling.enabled']);
  expect(await offered('kiln', 'convert', '--')).toEqual(['--type', '--output']);
});

test('there is a script for zsh and for fish, and for nothing else', async () => {
  expect((await run('completion', 'zsh')).out).toContain('bashcompinit');
  expect((await run('completion', 'fish')).out).toContain(
    "complete -c kiln -n '__fish_seen_subcommand_from query' -a 'profile",
  );
  expect(await run('completion', 'powershell')).toMatchObject({
    code: 2,
    err: 'kiln completion: completion takes bash, zsh, fish: found "powershell"\n',
  });
});
