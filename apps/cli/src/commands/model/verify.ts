import { releaseNameSchema } from '@aviary/protocol';
import { Args, Flags } from '@oclif/core';
import { AviaryCommand, outputFlag } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';
import { type Finding, findingWords, metadataWords, problemIn } from '../../reading/finding-words.ts';
import { stateOf } from '../../reading/published-release.ts';
import { FleetRepository } from '../../trust/fleet-repository.ts';
import { fingerprintFlag, keyFlag, keyPathOf } from '../../trust/key-file.ts';

export default class ModelVerify extends AviaryCommand {
  static override summary = 'Compare releases, here or at the control plane, with what their publisher has signed';

  static override description =
    'Follows the signed metadata of the fleet from the root that is pinned beside your key (no key is needed, and no passphrase asked for), and believes nothing else. Of a release every sealed variant is downloaded and compared; whoever may read models (publisher, admin) has the inside checked too, which the audit trail shows. Of a folder as "model pull" makes it, of an archive, or of sealed bytes on this machine it says which variant of which release they are. Ends with 1 when something does not hold.';

  static override examples = [
    '<%= config.bin %> model verify meter-reader@1.1.0',
    '<%= config.bin %> model verify meter-reader@1.1.0 --sealed -o json',
    '<%= config.bin %> model verify ./meter-reader ./variant.tar',
  ];

  static override strict = false;

  static override args = {
    what: Args.string({
      description: 'a release such as meter-reader@1.1.0, or a folder or file; several',
      required: true,
    }),
  };

  static override flags = {
    sealed: Flags.boolean({ description: 'compare the sealed bytes alone, and open nothing' }),
    ...keyFlag,
    ...fingerprintFlag,
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(ModelVerify);
    const connection = await this.connect(flags);
    const repository = await FleetRepository.open(connection, {
      keyPath: keyPathOf(flags),
      rootFingerprint: flags['root-fingerprint'],
    });
    const [{ verifyRelease }, { verifyLocal }] = await Promise.all([
      import('../../reading/verify-release.ts'),
      import('../../reading/verify-local.ts'),
    ]);
    const findings: Finding[] = [];
    for (const what of argv.map(String)) {
      if (what.trim() === '') throw new UsageError('Expected WHAT (a release, a folder or a file), got an empty text.');
      findings.push(
        releaseNameSchema.safeParse(what).success
          ? await verifyRelease(connection, repository, what, !flags.sealed)
          : await verifyLocal(repository, what),
      );
    }
    const ok = findings.every((finding) => problemIn(finding) === undefined);
    const metadata = stateOf(repository.metadata);
    this.print({ ok, metadata, findings }, flags.output, () =>
      [...findings.map(findingWords), metadataWords(metadata)].join('\n\n'),
    );
    if (!ok) this.exit(1);
  }
}
