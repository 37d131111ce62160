import { Flags } from '@oclif/core';
import { AviaryCommand, durationFlag, numberFlag, outputFlag, secondsFlag } from '../../aviary-command.ts';
import { readYaml } from '../../command-line/read-yaml.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import type { AdminClient } from '../../connection.ts';
import { printable } from '../../render/table.ts';
import { roundSpecOf } from '../../round-spec.ts';
import { watchRound } from '../../round-watch.ts';

type Preview = Awaited<ReturnType<AdminClient['previewRound']>>;

const previewText = ({ devices, eligible, samples, words }: Preview): string =>
  [
    `${eligible} of ${devices} devices could take part, with ${samples} labelled samples. Nothing was started.`,
    ...words.map((line) => `  ${printable(line)}`),
  ].join('\n');

/** What is there, without what is not. */
const given = (values: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

export default class FedCreate extends AviaryCommand {
  static override summary = 'Start a federated round: devices train the head of a release on what they keep';

  static override description =
    'What the devices learn comes back as one sum; pictures and samples stay where they are. A round that did well yields a candidate, which "aviary fed candidate" makes a release of.';

  static override examples = [
    '<%= config.bin %> fed create --release meter-reader@1.1.0 -l site=lyon --goal 4 --collect-for 10m --watch',
    '<%= config.bin %> fed create -f round.yaml --dry-run',
  ];

  static override flags = {
    file: Flags.string({ char: 'f', description: 'a round.yaml (see docs/federation.md); flags win over it' }),
    release: Flags.string({ description: 'model@version: whose head is to be improved' }),
    target: Flags.string({
      char: 'l',
      aliases: ['selector'],
      description: 'a selector: which devices may take part; all for every device',
    }),
    goal: numberFlag({ description: 'updates with which collecting ends' }),
    minimum: numberFlag({ description: 'updates with which a late round is still worth it' }),
    'over-selection': numberFlag({ description: 'devices asked, as a multiple of the goal' }),
    evaluators: numberFlag({ description: 'devices kept from training, to judge the result' }),
    'min-samples': numberFlag({ description: 'labelled samples that a device must have' }),
    'select-for': durationFlag({ description: 'how long to wait for enough devices, e.g. 10m' }),
    'collect-for': durationFlag({ description: 'how long updates are taken, e.g. 1h' }),
    'evaluate-for': durationFlag({ description: 'how long evaluations are taken, e.g. 30m' }),
    'clip-norm': numberFlag({ description: 'longest update; longer ones are shortened to it' }),
    margin: numberFlag({ description: 'accuracy that the candidate may lose, 0 to 1' }),
    epochs: numberFlag({ description: 'passes over the samples of a device' }),
    'batch-size': numberFlag({ description: 'samples in one step' }),
    'learning-rate': numberFlag({ description: 'of stochastic gradient descent' }),
    seed: numberFlag({ description: 'of the order of samples' }),
    'dry-run': Flags.boolean({ description: 'say which devices could take part, and start nothing' }),
    watch: Flags.boolean({ char: 'w', description: 'stay and watch; exit codes as of fed status --watch' }),
    timeout: secondsFlag({ description: 'with --watch: seconds to stay at most', default: 86_400 }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(FedCreate);
    const written =
      flags.file === undefined
        ? undefined
        : await readYaml(flags.file, 'a round specification', 'docs/federation.md shows them all.');
    const asked = {
      ...written?.keys,
      ...given({
        release: flags.release,
        target: flags.target,
        goal: flags.goal,
        minimum: flags.minimum,
        overSelection: flags['over-selection'],
        evaluators: flags.evaluators,
        minSamples: flags['min-samples'],
        selectFor: flags['select-for'],
        collectFor: flags['collect-for'],
        evaluateFor: flags['evaluate-for'],
        clipNorm: flags['clip-norm'],
        margin: flags.margin,
      }),
    };
    const training = given({
      epochs: flags.epochs,
      batchSize: flags['batch-size'],
      learningRate: flags['learning-rate'],
      seed: flags.seed,
    });
    if (!('release' in asked)) throw new UsageError('Expected --release model@version, or a file with -f.');
    const inFile = 'training' in asked ? asked.training : {};
    const body = roundSpecOf(
      Object.keys(training).length === 0
        ? asked
        : { ...asked, training: { ...(inFile as object | null), ...training } },
    );
    const { client } = await this.connect(flags);
    const told = <T>(work: () => Promise<T>): Promise<T> => written?.asked(work) ?? work();
    if (flags['dry-run']) {
      const preview = await told(() => client.previewRound({ body }));
      this.print(preview, flags.output, () => previewText(preview));
      return;
    }
    const round = await told(() => client.createRound({ body }));
    this.print(round, flags.output, () => round.id);
    if (flags.watch) {
      this.exit(await watchRound(client, round.id, { timeoutSeconds: flags.timeout }, process.stderr));
    }
  }
}
