import { type CommandWords, formsOf } from './command-words.ts';

const valueCases = (commands: readonly CommandWords[]): string[] =>
  commands.flatMap(({ name, flags }) =>
    flags
      .filter(({ takesValue }) => takesValue)
      .map((flag) => {
        const patterns = formsOf(flag).map((form) => `"${name}|${form}"`);
        return `    ${patterns.join('|')}) words="${flag.values.join(' ')}" ;;`;
      }),
  );

const nextCases = (commands: readonly CommandWords[]): string[] =>
  commands.map(({ name, next, flags }) => {
    const words = next.map(([word]) => word).join(' ');
    const dashed = flags.flatMap(formsOf).join(' ');
    return `    "${name}") words="${words}" flags="${dashed}" ;;`;
  });

/**
 * What bash needs to complete the command line. It asks nobody, so that a key press costs nothing. A value that is not
 * among few is left to bash, which offers files.
 */
export const bashScript = (commands: readonly CommandWords[]): string => `# Completion of aviary for bash 3.2 and newer.
# In this shell:  source <(aviary completion bash)
# In every shell: aviary completion bash > ~/.local/share/bash-completion/completions/aviary
_aviary() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD - 1]}" at="" next="" words="" flags="" i
  # --output=json arrives in three words.
  if [[ $current == "=" ]]; then current=""; elif [[ $before == "=" ]]; then before="\${COMP_WORDS[COMP_CWORD - 2]}"; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${at:+$at }\${COMP_WORDS[i]}"
    case "$next" in
${commands
  .filter(({ name }) => name !== '')
  .map(({ name }) => `      "${name}") at="$next" ;;`)
  .join('\n')}
      *) break ;;
    esac
  done
  COMPREPLY=()
  case "$at|$before" in
${valueCases(commands).join('\n')}
    *)
      case "$at" in
${nextCases(commands)
  .map((line) => `    ${line}`)
  .join('\n')}
      esac
      if [[ $current == -* ]]; then words="$flags"; fi
      ;;
  esac
  local IFS=$' \\t\\n'
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _aviary aviary
`;
