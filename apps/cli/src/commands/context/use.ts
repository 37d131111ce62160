import { access } from 'node:fs/promises';
import { Command } from '@oclif/core';
import { useContext } from '../../access/contexts.ts';
import { adminTokenPath } from '../../access/credentials.ts';
import { nameArg } from '../../aviary-command.ts';

export default class ContextUse extends Command {
  static override summary = 'Make a log-in the one with which commands speak';

  static override args = { name: nameArg({ description: 'as aviary context list shows it', required: true }) };

  async run(): Promise<void> {
    const { args } = await this.parse(ContextUse);
    const { server, user, role } = await useContext(args.name);
    this.log(`Commands now go to ${server} as ${user} (${role}).`);
    const path = adminTokenPath();
    const goesFirst = process.env.AVIARY_TOKEN !== undefined ? 'AVIARY_TOKEN' : path;
    if (
      goesFirst === path &&
      !(await access(path).then(
        () => true,
        () => false,
      ))
    )
      return;
    this.logToStderr(`Here ${goesFirst} goes before it; say --context ${args.name} to have it all the same.`);
  }
}
