import { z } from 'zod';
import { BOM_FILE, type ReleaseManifest } from '../archive/manifest.ts';
import { splitReleaseName } from '../release-name.ts';

/** The bill of materials lists other things than what it lies beside. */
export class ModelBomError extends Error {
  readonly code = 'bom-invalid';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ModelBomError';
  }
}

const hashesSchema = z.tuple([z.looseObject({ alg: z.literal('SHA-256'), content: z.string() })]);

/** What is compared; a later version of CycloneDX, or of us, may say more. */
const bomSchema = z.looseObject({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.string(),
  metadata: z.looseObject({
    component: z.looseObject({ name: z.string(), version: z.string(), hashes: hashesSchema }),
  }),
  components: z.array(z.looseObject({ name: z.string(), hashes: hashesSchema })),
});

/**
 * Compares `bom.cdx.json` with the files it lies beside: the model that it is of, and the digest of every file it lists.
 * @param digests SHA-256 of each file, hex
 * @returns how many files it lists, and by which version of CycloneDX
 * @throws ModelBomError
 */
export function verifyModelBom(
  bytes: Uint8Array,
  manifest: ReleaseManifest,
  digests: ReadonlyMap<string, string>,
): { readonly specVersion: string; readonly files: number } {
  const { metadata, components, specVersion } = parse(bytes);
  const { component } = metadata;
  const { model, version } = splitReleaseName(manifest.release);
  if (component.name !== model || component.version !== version) {
    throw new ModelBomError(
      `expected a ${BOM_FILE} of ${manifest.release}, it is of ${component.name}@${component.version}`,
    );
  }
  const listed = [
    { name: manifest.variant.file, hashes: component.hashes },
    ...components.map(({ name, hashes }) => ({ name, hashes })),
  ];
  for (const { name, hashes } of listed) {
    const [{ content }] = hashes;
    const found = digests.get(name);
    if (found === content) continue;
    throw new ModelBomError(
      `${BOM_FILE} lists ${name} with SHA-256 ${content}, ${found === undefined ? 'which is not there' : `it has ${found}`}`,
    );
  }
  return { specVersion, files: listed.length };
}

function parse(bytes: Uint8Array): z.infer<typeof bomSchema> {
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new ModelBomError(`${BOM_FILE} is not JSON`, { cause });
  }
  const parsed = bomSchema.safeParse(content);
  if (!parsed.success) throw new ModelBomError(`${BOM_FILE} is no CycloneDX bill: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
