import type { CommandWords, FlagWords } from './command-words.ts';

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const flagLine = (name: string, { name: flag, char, summary, takesValue, values }: FlagWords): string => {
  const short = char === undefined ? '' : ` -s ${char}`;
  const value = !takesValue ? '' : values.length === 0 ? ' -r -F' : ` -x -a ${quoted(values.join(' '))}`;
  return `complete -c aviary -n ${quoted(`__aviary_in '${name}'`)} -l ${flag}${short}${value} -d ${quoted(summary)}`;
};

/** What fish needs to complete the command line, with what each word means. */
export const fishScript = (commands: readonly CommandWords[]): string => `# Completion of aviary for fish.
# In this shell:  aviary completion fish | source
# In every shell: aviary completion fish > ~/.config/fish/completions/aviary.fish
function __aviary_said
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; and break
        echo $word
    end
end
function __aviary_at --argument-names name
    set -l said (__aviary_said)
    test "$said" = "$name"
end
function __aviary_in --argument-names name
    set -l said (__aviary_said)
    test "$said" = "$name"; or string match -q -- "$name *" "$said"
end
complete -c aviary -e
complete -c aviary -n '__aviary_at ""' -f
${commands
  .flatMap(({ name, next, flags }) => [
    ...next.map(
      ([word, summary]) =>
        `complete -c aviary -n ${quoted(`__aviary_at '${name}'`)} -f -a ${word} -d ${quoted(summary)}`,
    ),
    ...flags.map((flag) => flagLine(name, flag)),
  ])
  .join('\n')}
`;
