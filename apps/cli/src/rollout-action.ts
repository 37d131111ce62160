import { createInterface } from 'node:readline/promises';
import type { RolloutAction } from '@aviary/protocol';
import { Flags } from '@oclif/core';
import { AviaryCommand, nameArg } from './aviary-command.ts';
import { UsageError } from './command-line/usage-error.ts';
import { findRollout } from './find-rollout.ts';

export const rolloutIdArg = {
  id: nameArg({ description: 'its id, the beginning of it, or "last"', required: true }),
};

export const yesFlag = { yes: Flags.boolean({ char: 'y', description: 'do not ask' }) };

/** A command that tells a rollout to do one thing. */
export abstract class RolloutActionCommand extends AviaryCommand {
  protected async act(
    id: string,
    action: RolloutAction,
    flags: Parameters<AviaryCommand['connect']>[0],
  ): Promise<void> {
    const { client } = await this.connect(flags);
    const rollout = await client.actOnRollout({ params: { id: await findRollout(client, id), action } });
    this.log(`${rollout.id}  ${rollout.state}${rollout.reason === null ? '' : `: ${rollout.reason}`}`);
  }

  /** @throws UsageError without a terminal to ask at */
  protected async confirm(question: string, yes: boolean): Promise<void> {
    if (yes) return;
    if (!process.stdin.isTTY) throw new UsageError(`${question} There is no terminal to ask at; say --yes.`);
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await terminal.question(`${question} [y/N] `);
    terminal.close();
    if (!/^y(es)?$/i.test(answer.trim())) throw new Error('Nothing was done.');
  }
}
