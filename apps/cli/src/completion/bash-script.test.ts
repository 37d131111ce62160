import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Config } from '@oclif/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { bashScript } from './bash-script.ts';
import { type CommandWords, commandWords, formsOf } from './command-words.ts';

const run = promisify(execFile);

// Every bash here reads the whole script and answers many questions, as one that somebody types into does.
const ASK = `
while IFS= read -r line; do
  IFS=' ' read -ra COMP_WORDS <<< "$line"
  if [[ $line == *' ' ]]; then COMP_WORDS+=(""); fi
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  _aviary
  echo "\${COMPREPLY[*]}"
done
`;

let commands: CommandWords[];
let script: string;
beforeAll(async () => {
  commands = commandWords(await Config.load(fileURLToPath(new URL('../../', import.meta.url))));
  script = bashScript(commands);
});

/** What a real bash offers at the end of each line. */
const offers = async (...lines: string[]): Promise<string[][]> => {
  const child = run('bash', ['--norc', '-c', `${script}\n${ASK}`]);
  child.child.stdin?.end(lines.map((line) => `${line}\n`).join(''));
  const { stdout, stderr } = await child;
  expect(stderr).toBe('');
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => (line === '' ? [] : line.split(' ')));
};

describe('completion in bash', () => {
  it('is bound to the command', async () => {
    const { stdout } = await run('bash', ['--norc', '-c', `${script}\ncomplete -p aviary`]);
    expect(stdout).toBe('complete -o default -F _aviary aviary\n');
  });

  it('offers the next word of each topic and command, and nothing that begins otherwise', async () => {
    const asked = commands.flatMap(({ name, next }) =>
      next.map(([word]) => ({ line: `aviary ${name === '' ? '' : `${name} `}${word.slice(0, 3)}`, word })),
    );
    expect(asked.length).toBeGreaterThan(60);
    const offered = await offers(...asked.map(({ line }) => line));
    for (const [index, { line, word }] of asked.entries()) {
      expect(offered[index], line).toContain(word);
      for (const other of offered[index] ?? []) expect(other.startsWith(word.slice(0, 3)), line).toBe(true);
    }
  });

  it('offers every flag of a command, and every value that a flag can have', async () => {
    const flagged = commands.filter(({ flags }) => flags.length > 0);
    const offered = await offers(...flagged.map(({ name }) => `aviary ${name} -`));
    for (const [index, { name, flags }] of flagged.entries()) {
      expect(offered[index], name).toEqual(flags.flatMap(formsOf));
    }
    const valued = flagged.flatMap(({ name, flags }) =>
      flags.filter(({ values }) => values.length > 0).map((flag) => ({ line: `aviary ${name} --${flag.name} `, flag })),
    );
    const values = await offers(...valued.map(({ line }) => line));
    for (const [index, { line, flag }] of valued.entries()) expect(values[index], line).toEqual(flag.values);
  });

  it('knows where a command ends: behind its arguments, behind flags, behind an equals sign', async () => {
    const [after, nothing, equals, inTopic, unknown, file] = await offers(
      'aviary rollout status last --wa',
      'aviary rollout status 6f1c ',
      'aviary device list --output = j',
      'aviary rollout ',
      'aviary nosuch ',
      'aviary rollout create --file ',
    );
    expect(after).toEqual(['--watch']);
    expect(nothing).toEqual(['last']);
    expect(equals).toEqual(['json']);
    expect(inTopic).toEqual(expect.arrayContaining(['history', 'retry']));
    expect(unknown).toEqual(expect.arrayContaining(['rollout']));
    // Left to bash, which knows the files.
    expect(file).toEqual([]);
  });
});
