import { shellWord } from './shell-word.ts';

/** The `aviary` command of these words, each quoted where a shell would split or change it. */
export const commandLine = (...words: readonly string[]): string => ['aviary', ...words.map(shellWord)].join(' ');
