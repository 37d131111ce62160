import { STOPPED_TARGET, statementsIn } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand, nameArg, yesFlag } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import { FleetRepository } from '../../trust/fleet-repository.ts';
import { keyFlag, keyPathOf, readKey } from '../../trust/key-file.ts';
import { outcomeInWords, sendChange } from '../../trust/signed-change.ts';

export default class ModelRevoke extends AviaryCommand {
  static override summary = 'Take a release back: no device installs it any more';

  static override description =
    'Devices that run it go on, so that no camera goes blind; with --stop they stop it, and serve the release before it where they have one that may run. A release that was revoked is never published again under its name.';

  static override examples = [
    '<%= config.bin %> model revoke meter-reader@1.2.0',
    '<%= config.bin %> model revoke meter-reader@1.2.0 --stop --yes',
  ];

  static override args = { release: nameArg({ description: 'e.g. meter-reader@1.2.0', required: true }) };

  static override flags = {
    ...keyFlag,
    stop: Flags.boolean({ description: 'devices that run it stop it' }),
    ...yesFlag,
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ModelRevoke);
    const keyPath = keyPathOf(flags);
    const connection = await this.connect(flags);
    const repository = await FleetRepository.open(connection, { keyPath });
    const statement = statementsIn(repository.targets).get(args.release);
    const { releases: stopped } = await repository.fleetTarget(STOPPED_TARGET);
    const isNew = flags.stop && !stopped.includes(args.release);
    if (statement === undefined && !isNew) {
      throw new UsageError(`${args.release} is not among the published releases. See them with: aviary model list`);
    }
    await this.confirm(
      `Take ${args.release} back for ever${flags.stop ? ', and stop it where it runs' : ''}?`,
      flags.yes,
    );
    const signer = await readKey(keyPath);
    repository.expectKey('targets', signer.keyId);
    const outcome = await sendChange(connection, repository, {
      targets: {
        edit: (targets) => {
          for (const { path } of statement?.targets ?? []) targets.delete(path);
        },
        signers: [signer],
        ...(isNew ? { fleet: { [STOPPED_TARGET]: { releases: [...stopped, args.release] } } } : {}),
      },
    });
    this.log(outcome.published ? `${args.release} is revoked.` : outcomeInWords(outcome));
  }
}
