import { splitReleaseName, statementsIn, targetsOf } from '@aviary/release';
import { AviaryCommand, nameArg, yesFlag } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import { FleetRepository } from '../../trust/fleet-repository.ts';
import { keyFlag, keyPathOf, readKey } from '../../trust/key-file.ts';
import { outcomeInWords, sendChange } from '../../trust/signed-change.ts';

export default class ModelRaiseFloor extends AviaryCommand {
  static override summary = 'Forbid devices that have moved on to ever go back below a release';

  static override description =
    'A device that runs this release, or a later one of its model, takes nothing older from then on: not from a rollback, and not from whoever holds the control plane. Do it once the fleet has moved, as a step of its own. It cannot be undone.';

  static override examples = ['<%= config.bin %> model raise-floor meter-reader@1.4.0'];

  static override args = { release: nameArg({ description: 'the oldest that may still run', required: true }) };

  static override flags = { ...keyFlag, ...yesFlag };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ModelRaiseFloor);
    const keyPath = keyPathOf(flags);
    const connection = await this.connect(flags);
    const repository = await FleetRepository.open(connection, { keyPath });
    const statements = statementsIn(repository.targets);
    const floor = statements.get(args.release);
    if (floor === undefined) {
      throw new UsageError(`${args.release} is not among the published releases. See them with: aviary model list`);
    }
    const { model } = splitReleaseName(args.release);
    const raised = [...statements.values()]
      .filter(({ release }) => splitReleaseName(release).model === model)
      .filter(
        ({ releaseCounter, rollbackFloor }) =>
          releaseCounter >= floor.releaseCounter && rollbackFloor < floor.releaseCounter,
      );
    if (raised.length === 0) throw new UsageError(`The floor of ${model} is at ${args.release} already, or above.`);
    await this.confirm(`Never let devices of ${model} go back below ${args.release}?`, flags.yes);
    const signer = await readKey(keyPath);
    repository.expectKey('targets', signer.keyId);
    const outcome = await sendChange(connection, repository, {
      targets: {
        edit: (targets) => {
          for (const statement of raised) {
            for (const file of targetsOf({ ...statement, rollbackFloor: floor.releaseCounter }))
              targets.set(file.path, file);
          }
        },
        signers: [signer],
      },
    });
    this.log(outcome.published ? `The floor of ${model} is at ${args.release}.` : outcomeInWords(outcome));
  }
}
