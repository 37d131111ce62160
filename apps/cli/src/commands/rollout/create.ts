import { Flags } from '@oclif/core';
import { AviaryCommand, outputFlag, secondsFlag } from '../../aviary-command.ts';
import { selectorOfFile } from '../../command-line/device-list.ts';
import { readYaml } from '../../command-line/read-yaml.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import { overlapLines, previewPicture } from '../../render/preview-picture.ts';
import { watchRollout } from '../../rollout-watch.ts';

export default class RolloutCreate extends AviaryCommand {
  static override summary = 'Bring a release to devices in waves';

  static override examples = [
    '<%= config.bin %> rollout create --release meter-reader@1.1.0 --target site=lyon --waves 1,50%,100% --soak 30m',
    '<%= config.bin %> rollout create -f rollout.yaml --dry-run',
    '<%= config.bin %> rollout create --release meter-reader@1.1.0 --devices-from third-floor.txt',
  ];

  static override flags = {
    file: Flags.string({ char: 'f', description: 'a rollout.yaml (see docs/rollouts.md); flags win over it' }),
    release: Flags.string({ description: 'model@version' }),
    target: Flags.string({
      char: 'l',
      description: 'a selector, e.g. "site=lyon and fact.memoryMB >= 4000"; all for every device',
    }),
    'devices-from': Flags.string({
      description: 'a file of devices, one id or name a line: exactly these are the target',
      exclusive: ['target'],
    }),
    priority: Flags.integer({
      min: 0,
      max: 1_000,
      description:
        'of two rollouts that want the same device, the higher has it (default 500); of equal ones the newer',
    }),
    newcomers: Flags.option({
      options: ['join', 'ignore', 'continue'] as const,
      description: 'devices that begin to fit: taken with the last wave, left out, or taken without end',
    })(),
    waves: Flags.string({ description: 'cumulative sizes, e.g. 1,10%,100%' }),
    soak: Flags.string({ description: 'how long each wave soaks, e.g. 30m' }),
    'on-failure': Flags.option({
      options: ['pause', 'rollback-wave', 'rollback-all'] as const,
      description: 'what a failing gate does',
    })(),
    'dry-run': Flags.boolean({ description: 'say what would happen, and do nothing' }),
    watch: Flags.boolean({ char: 'w', description: 'stay and watch; exit codes as of rollout status --watch' }),
    timeout: secondsFlag({ description: 'with --watch: seconds to stay at most', default: 86_400 }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(RolloutCreate);
    const written =
      flags.file === undefined
        ? undefined
        : await readYaml(flags.file, 'a rollout specification', 'docs/rollouts.md shows them all.');
    const spec = written?.keys ?? {};
    if (flags.release !== undefined) spec.release = flags.release;
    if (flags.target !== undefined) spec.target = flags.target;
    if (flags.priority !== undefined) spec.priority = flags.priority;
    if (flags.newcomers !== undefined) spec.newcomers = flags.newcomers;
    if (flags['on-failure'] !== undefined) spec.onFailure = flags['on-failure'];
    if (flags.waves !== undefined) {
      const soak = flags.soak === undefined ? {} : { soak: flags.soak };
      const waves = flags.waves.split(',').map((size) => ({ size: size.trim(), ...soak }));
      spec.strategy = { ...(spec.strategy as object | undefined), waves };
    } else if (flags.soak !== undefined) {
      throw new UsageError('--soak needs --waves; in a file, each wave has its own soak.');
    }
    if (spec.release === undefined) throw new UsageError('Expected --release model@version, or a file with -f.');
    const { client } = await this.connect(flags);
    const list = flags['devices-from'];
    if (list !== undefined) spec.target = await selectorOfFile(client, list);
    const asked = <T>(work: () => Promise<T>): Promise<T> => written?.asked(work) ?? work();
    if (flags['dry-run']) {
      const preview = await asked(() => client.previewRollout({ body: spec }));
      this.print(preview, flags.output, () => previewPicture(preview).join('\n'));
      return;
    }
    const rollout = await asked(() => client.createRollout({ body: spec }));
    for (const line of overlapLines(rollout.overlaps)) this.logToStderr(line);
    this.print(rollout, flags.output, () => rollout.id);
    if (flags.watch) {
      this.exit(await watchRollout(client, rollout.id, { timeoutSeconds: flags.timeout }, process.stderr));
    }
  }
}
