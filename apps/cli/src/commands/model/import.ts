import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { decodePublicKey, publicKeyPem } from '@aviary/release';
import { Flags } from '@oclif/core';
import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';
import { UsageError } from '../../command-line/usage-error.ts';

const readSigner = async (path: string): Promise<string> => {
  const pem = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`Expected a public key in PEM in the file of --oms-key, got "${path}" (${error.code}).`);
  });
  try {
    // The key alone: whatever else is in the file stays here.
    return publicKeyPem(decodePublicKey(pem));
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : error}`);
  }
};

const NEXT = {
  skeleton: 'Complete its model.yaml, add acceptance pictures',
  manifest: 'Its model.yaml is made of its manifest. Read it, raise the version',
  signed: 'Its model.yaml came with it. Read it',
} as const;

export default class ModelImport extends AviaryCommand {
  static override summary = 'Make a folder that can be pushed of a model that somebody else has signed';

  static override description =
    'The folder has a model.sig after OpenSSF Model Signing (https://github.com/ossf/model-signing-spec), made with a P-256 or P-384 key. Everything is verified first; when a file was changed, added or left out, nothing is written. The new folder keeps the signature and the key in provenance/; they travel with the release, and "aviary model push" compares the files with them again.';

  static override examples = [
    '<%= config.bin %> model import --oms-key vendor.pem ./meter-reader',
    '<%= config.bin %> model import --oms-key vendor.pem ./meter-reader --out ./models/meter-reader',
  ];

  static override args = { directory: nameArg({ description: 'folder with a model.sig', required: true }) };

  static override flags = {
    'oms-key': Flags.string({
      description: "the signer's public key (PEM), from a source that you trust",
      required: true,
    }),
    out: Flags.string({ description: 'the new folder (./NAME-imported)' }),
    output: outputFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ModelImport);
    const signer = await readSigner(flags['oms-key']);
    const { importModel } = await import('../../publishing/import-model.ts');
    const out = flags.out ?? `${basename(resolve(args.directory))}-imported`;
    const imported = await importModel(args.directory, signer, out);
    this.print(imported, flags.output, () =>
      [
        `${imported.directory} has the ${imported.files} files of ${imported.name} as the key ${imported.signer.slice(0, 12)} has signed them.`,
        `${NEXT[imported.definition]}, then: aviary model push ${imported.directory}`,
      ].join('\n'),
    );
  }
}
