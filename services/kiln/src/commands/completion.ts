import { ConfigError } from '@kiln/config';
import type { Command } from '../terminal.ts';

/** What can be completed: commands by name, with the actions of those that have some, and the flags that their help names. */
export type Words = ReadonlyMap<string, { readonly actions: readonly string[]; readonly flags: readonly string[] }>;

/** `kiln completion`: a script for the shell that completes commands, actions and flags. @param words of all commands. */
export function completionCommand(words: () => Promise<Words>): Command {
  return {
    name: 'completion',
    synopsis: 'bash|zsh|fish',
    summary: 'print a script that completes commands and flags',
    help: () =>
      'Load it in the shell:\n\n' +
      '  bash   source <(kiln completion bash)\n' +
      '  zsh    source <(kiln completion zsh)\n' +
      '  fish   kiln completion fish | source\n',
    example: 'completion bash',
    run: async ([shell, ...more], terminal) => {
      const script = scripts.get(shell ?? '');
      if (script === undefined || more.length > 0) {
        const found = shell === undefined ? 'nothing' : JSON.stringify([shell, ...more].join(' '));
        throw new ConfigError(`completion takes ${[...scripts.keys()].join(', ')}: found ${found}`);
      }
      terminal.out(script(await words()));
      return 0;
    },
  };
}

/** One `case` arm per command: what may follow it. */
function arms(words: Words): string {
  return [...words]
    .map(([name, { actions, flags }]) => `    ${name}) echo '${[...actions, ...flags].join(' ')}' ;;\n`)
    .join('');
}

function bash(words: Words): string {
  return `_kiln_words() {
  case "$1" in
${arms(words)}    *) echo '${['help', ...words.keys()].join(' ')}' ;;
  esac
}
_kiln() {
  local word="\${COMP_WORDS[COMP_CWORD]}" of=''
  if [ "$COMP_CWORD" -gt 1 ]; then of="\${COMP_WORDS[1]}"; fi
  if [ "$of" = help ]; then of=''; fi
  COMPREPLY=($(compgen -W "$(_kiln_words "$of")" -- "$word"))
}
complete -o default -F _kiln kiln ./kiln
`;
}

function zsh(words: Words): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bash(words)}`;
}

function fish(words: Words): string {
  const names = ['help', ...words.keys()].join(' ');
  const lines = [...words].flatMap(([name, { actions, flags }]) => {
    const of = `complete -c kiln -n '__fish_seen_subcommand_from ${name}'`;
    return [
      ...(actions.length === 0 ? [] : [`${of} -a '${actions.join(' ')}'`]),
      ...flags.map((flag) => `${of} -l '${flag.replace(/^--?/, '')}'`),
    ];
  });
  return `complete -c kiln -n __fish_use_subcommand -a '${names}'\n${lines.join('\n')}\n`;
}

const scripts = new Map([
  ['bash', bash],
  ['zsh', zsh],
  ['fish', fish],
]);
