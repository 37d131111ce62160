import { nearest } from './nearest.ts';
import { UsageError } from './usage-error.ts';

/** What has to be known of a command to tell its name from its arguments. */
export interface KnownCommand {
  /** Its words, e.g. `device list`. */
  readonly name: string;
  readonly takesArguments: boolean;
}

const quoted = (words: readonly string[]): string => `"${['aviary', ...words].join(' ')}"`;

/** The words before the first flag; `device:list` is another way to write `device list`. */
const leadingWords = (argv: readonly string[]): string[] => {
  const end = argv.findIndex((word) => word.startsWith('-'));
  const [first, ...rest] = end < 0 ? argv : argv.slice(0, end);
  return first === undefined ? [] : [...first.split(':'), ...rest];
};

/**
 * Finds the command that a command line names.
 * @returns its name, or `undefined` for a topic alone or nothing, which show help
 * @throws UsageError when there is no such command, with the nearest that there is
 */
export const commandNameOf = (argv: readonly string[], commands: readonly KnownCommand[]): string | undefined => {
  const words = leadingWords(argv);
  if (words.length === 0) {
    const [flag] = argv;
    if (flag === undefined || flag === '--help' || flag === '--version') return undefined;
    throw new UsageError(`Expected a command before the flags, got "${flag}". See: aviary --help`);
  }
  const begins = (count: number) => `${words.slice(0, count).join(' ')} `;
  let known = 0;
  while (known < words.length && commands.some(({ name }) => `${name} `.startsWith(begins(known + 1)))) {
    known += 1;
    const command = commands.find(({ name }) => name === words.slice(0, known).join(' '));
    if (command === undefined) continue;
    if (known === words.length || command.takesArguments) return command.name;
    throw new UsageError(
      `Expected nothing after ${quoted(words.slice(0, known))}, got "${words.slice(known).join(' ')}". See: aviary ${command.name} --help`,
    );
  }
  if (known === words.length) return undefined;
  return refuse(words.slice(0, known), words[known] ?? '', commands);
};

const refuse = (topic: readonly string[], word: string, commands: readonly KnownCommand[]): never => {
  const prefix = topic.map((part) => `${part} `).join('');
  const next = commands
    .filter(({ name }) => name.startsWith(prefix))
    .map(({ name }) => name.slice(prefix.length).split(' ')[0] ?? '');
  const choices = [...new Set(next)].sort();
  const meant = nearest(word, choices);
  const whatThen =
    meant === undefined
      ? `After ${quoted(topic)} there can be: ${choices.join(', ')}.`
      : `Did you mean ${quoted([...topic, meant])}?`;
  throw new UsageError(`There is no command ${quoted([...topic, word])}. ${whatThen}`);
};
