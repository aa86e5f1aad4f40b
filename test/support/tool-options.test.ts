import { expect, it } from 'vitest';
import { ToolOptions } from './tool-options.ts';

const help = 'kiln dig: digs\n\n  --deep      more of it\n  --holes N   how many\n';

/** What a tool that is called so says, and its exit code; 0 and nothing when it goes on. */
function called(...args: string[]): { code: number; said: string; options?: ToolOptions } {
  let said = '';
  let code = 0;
  try {
    const write = (to: string, text: string): void => void (said += `${to}: ${text}`);
    const exit = (ended: number): never => {
      code = ended;
      throw new Error('ended');
    };
    const options = new ToolOptions('dig', help, { args, write, exit }).noWords();
    options.number('--holes', 3, 1);
    return { code, said, options };
  } catch (error) {
    if ((error as Error).message !== 'ended') throw error;
    return { code, said };
  }
}

it('--help prints the help and does nothing else', () => {
  expect(called('--deep', '--help')).toEqual({ code: 0, said: `stdout: ${help}` });
  expect(called('-h')).toEqual({ code: 0, said: `stdout: ${help}` });
});

it('a flag that the help does not name, a number that is none and a word end with code 2 and one sentence', () => {
  expect(called('--holes=2')).toEqual({
    code: 2,
    said: 'stderr: kiln dig: unknown flag --holes=2: there are --deep, --holes\n',
  });
  expect(called('--holes', 'two')).toEqual({
    code: 2,
    said: 'stderr: kiln dig: --holes takes a whole number from 1 on\n',
  });
  expect(called('--deep', 'down')).toEqual({ code: 2, said: 'stderr: kiln dig: it takes no words, found "down"\n' });
});

it('flags that the help names are read', () => {
  const { options, said } = called('--holes', '7', '--deep');
  expect([said, options?.has('--deep'), options?.number('--holes', 3, 1), options?.words]).toEqual(['', true, 7, []]);
  expect(called().options?.number('--holes', 3, 1)).toBe(3);
});
