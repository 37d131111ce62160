import type { Interfaces } from '@oclif/core';

/** A flag that a command takes. */
export interface FlagWords {
  readonly name: string;
  readonly char: string | undefined;
  readonly summary: string;
  readonly takesValue: boolean;
  /** All that its value can be; empty: anything. */
  readonly values: readonly string[];
}

/** A command, or a topic, which has commands below it. */
export interface CommandWords {
  /** Its words, e.g. `rollout status`; empty: the program itself. */
  readonly name: string;
  /** The words that can come next, with what they mean. */
  readonly next: readonly (readonly [word: string, summary: string])[];
  readonly flags: readonly FlagWords[];
}

type Known = Pick<Interfaces.Config, 'commands' | 'topics'>;

/** A rollout may be called by its place in time. */
const FIXED_ARGUMENTS: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  rollout: [['last', 'the newest rollout']],
  fed: [['last', 'the newest round']],
};

const flagsOf = (command: Known['commands'][number]): FlagWords[] =>
  Object.values(command.flags)
    .filter((flag) => flag.hidden !== true)
    .map((flag) => ({
      name: flag.name,
      char: flag.char,
      summary: flag.summary ?? flag.description ?? '',
      takesValue: flag.type === 'option',
      values: flag.type === 'option' ? (flag.options ?? []) : [],
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

const argumentsOf = ({ id, args }: Known['commands'][number]): CommandWords['next'] => {
  const [first] = Object.values(args);
  if (first?.options !== undefined) return first.options.map((option) => [option, first.description ?? '']);
  const [topic] = id.split(':');
  return first?.name === 'id' && topic !== undefined ? (FIXED_ARGUMENTS[topic] ?? []) : [];
};

/** Everything that can be typed, from what oclif knows of the commands: topics and commands in order of their names. */
export const commandWords = ({ commands, topics }: Known): CommandWords[] => {
  const shown = commands.filter(({ hidden }) => !hidden);
  // To oclif a command is a topic as well.
  const isCommand = new Set(shown.map(({ id }) => id));
  const onlyTopics = topics.filter(({ name }) => !isCommand.has(name));
  const summaries = new Map([
    ...onlyTopics.map((topic) => [topic.name, topic.description ?? ''] as const),
    ...shown.map(({ id, summary }) => [id, summary ?? ''] as const),
  ]);
  const parents = ['', ...onlyTopics.map(({ name }) => name)];
  const below = (parent: string): CommandWords['next'] =>
    [...summaries]
      .filter(([id]) => id.slice(0, Math.max(0, id.lastIndexOf(':'))) === parent)
      .map(([id, summary]) => [id.slice(id.lastIndexOf(':') + 1), summary] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...parents.map((parent) => ({ name: parent.replaceAll(':', ' '), next: below(parent), flags: [] })),
    ...shown.map((command) => ({
      name: command.id.replaceAll(':', ' '),
      next: argumentsOf(command),
      flags: flagsOf(command),
    })),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
};

/** The flag as it is typed, in all its forms. */
export const formsOf = ({ name, char }: FlagWords): string[] => [
  `--${name}`,
  ...(char === undefined ? [] : [`-${char}`]),
];
