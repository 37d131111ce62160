import { type CommandWords, formsOf } from './command-words.ts';

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** As `_describe` reads it: a colon separates a word from what it means. */
const described = (word: string, summary: string): string => quoted(`${word.replaceAll(':', '\\:')}:${summary}`);

const valueCases = (commands: readonly CommandWords[]): string[] =>
  commands.flatMap(({ name, flags }) =>
    flags
      .filter(({ takesValue }) => takesValue)
      .map((flag) => {
        const patterns = formsOf(flag).map((form) => quoted(`${name}|${form}`));
        const offer = flag.values.length === 0 ? '_files' : `compadd -- ${flag.values.join(' ')}`;
        return `    (${patterns.join('|')}) ${offer}; return ;;`;
      }),
  );

const nextCases = (commands: readonly CommandWords[]): string[] =>
  commands.map(({ name, next, flags }) => {
    const words = next.map(([word, summary]) => described(word, summary)).join(' ');
    const dashed = flags.flatMap((flag) => formsOf(flag).map((form) => described(form, flag.summary))).join(' ');
    return `    (${quoted(name)}) next=(${words}) flags=(${dashed}) ;;`;
  });

/** What zsh needs to complete the command line, with what each word means. */
export const zshScript = (commands: readonly CommandWords[]): string => `#compdef aviary
# Completion of aviary for zsh, after compinit.
# In this shell:  source <(aviary completion zsh)
# In every shell: aviary completion zsh > a file named _aviary in a folder of $fpath
_aviary() {
  local at="" said="" i
  local -a next flags
  for ((i = 2; i < CURRENT; i++)); do
    said="\${at:+$at }\${words[i]}"
    case "$said" in
      (${commands
        .filter(({ name }) => name !== '')
        .map(({ name }) => quoted(name))
        .join('|')}) at="$said" ;;
      (*) break ;;
    esac
  done
  case "$at|\${words[CURRENT - 1]}" in
${valueCases(commands).join('\n')}
  esac
  case "$at" in
${nextCases(commands).join('\n')}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o flag flags
  elif (( \${#next} )); then
    _describe word next
  else
    _files
  fi
}
compdef _aviary aviary
`;
