import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  LABELS_FILE,
  type ManifestModel,
  modelsOf,
  type ReleaseManifest,
  SIGNATURE_FILE,
} from '../archive/manifest.ts';
import { channelCount } from '../archive/processing.ts';
import { sortedNames } from '../archive/variant-archive.ts';
import type { Lineage } from '../documents/release-statement.ts';
import { splitReleaseName } from '../release-name.ts';
import type { ModelDefinition } from './model-definition.ts';
import { licenceKind } from './model-origin.ts';
import { PROVENANCE_FOLDER, type Provenance } from './provenance.ts';

const MODEL_REF = 'model';

const hashSchema = z.strictObject({ alg: z.literal('SHA-256'), content: z.string().regex(/^[0-9a-f]{64}$/) });
const propertySchema = z.strictObject({ name: z.string().min(1), value: z.string() });
const licenseSchema = z.union([
  z.strictObject({ license: z.union([z.strictObject({ id: z.string() }), z.strictObject({ name: z.string() })]) }),
  z.strictObject({ expression: z.string() }),
]);
const ancestorSchema = z.strictObject({
  type: z.literal('machine-learning-model'),
  name: z.string().min(1),
  version: z.string().optional(),
  hashes: z.array(hashSchema).optional(),
  description: z.string().optional(),
});

/** What we say of CycloneDX 1.6 (ECMA-424, 1st edition), and no more: component `machine-learning-model` with its card. */
const bomSchema = z.strictObject({
  $schema: z.literal('http://cyclonedx.org/schema/bom-1.6.schema.json'),
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.literal('1.6'),
  serialNumber: z.string().regex(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  version: z.literal(1),
  metadata: z.strictObject({
    component: z.strictObject({
      type: z.literal('machine-learning-model'),
      'bom-ref': z.literal(MODEL_REF),
      name: z.string(),
      version: z.string(),
      description: z.string().optional(),
      authors: z.array(z.strictObject({ name: z.string(), email: z.string().optional() })).optional(),
      hashes: z.array(hashSchema).length(1),
      licenses: z.array(licenseSchema).optional(),
      externalReferences: z
        .array(
          z.strictObject({
            url: z.string(),
            type: z.enum(['vcs', 'website', 'attestation']),
            comment: z.string().optional(),
            hashes: z.array(hashSchema).optional(),
          }),
        )
        .optional(),
      pedigree: z.strictObject({ ancestors: z.array(ancestorSchema).min(1), notes: z.string().optional() }).optional(),
      modelCard: z.strictObject({
        modelParameters: z.strictObject({
          task: z.string(),
          datasets: z
            .array(
              z.strictObject({
                type: z.literal('dataset'),
                name: z.string(),
                description: z.string().optional(),
                contents: z.strictObject({ url: z.string() }).optional(),
              }),
            )
            .optional(),
          inputs: z.array(z.strictObject({ format: z.string() })).min(1),
          outputs: z.array(z.strictObject({ format: z.string() })).min(1),
        }),
        properties: z.array(propertySchema),
      }),
      properties: z.array(propertySchema),
    }),
  }),
  components: z.array(
    z.strictObject({ type: z.literal('file'), 'bom-ref': z.string(), name: z.string(), hashes: z.array(hashSchema) }),
  ),
  dependencies: z.array(z.strictObject({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

/** What a bill of materials is written of. */
export interface BomContent {
  readonly definition: ModelDefinition;
  readonly manifest: ReleaseManifest;
  /** Everything in the archive but the bill itself and its signature, by path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Path of the variant's file in the publisher's folder. */
  readonly sourceFile: string;
  readonly lineage?: Lineage | undefined;
  readonly provenance?: Provenance | undefined;
}

/**
 * The bytes of `bom.cdx.json`: a CycloneDX 1.6 ML-BOM of one variant. The same files give the same bytes: it has no
 * time, and its serial number follows from what it lists.
 */
export function encodeModelBom(content: BomContent): Buffer {
  const { definition, manifest, files, lineage, provenance } = content;
  const { model, version } = splitReleaseName(manifest.release);
  const digests = new Map(sortedNames(files.keys()).map((name) => [name, sha256(files.get(name) ?? Buffer.of())]));
  const listed = [...digests.keys()].filter((name) => name !== manifest.variant.file && !isSample(name, manifest));
  const references = [...sourceReferences(definition), ...signatureReferences(provenance)];
  const ancestors = [...lineageAncestors(lineage), ...signedAncestors(provenance)];
  const notes = [...lineageNotes(lineage), ...changeNotes(content)].join('\n');
  const bom = bomSchema.parse({
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf([manifest.release, manifest.variant.id, ...[...digests].flat()])}`,
    version: 1,
    metadata: {
      component: {
        type: 'machine-learning-model',
        'bom-ref': MODEL_REF,
        name: model,
        version,
        ...(manifest.description === undefined ? {} : { description: manifest.description }),
        ...(definition.authors === undefined ? {} : { authors: definition.authors.map(authorOf) }),
        hashes: hashes(digests.get(manifest.variant.file)),
        ...(definition.license === undefined ? {} : { licenses: [licenceOf(definition.license)] }),
        ...(references.length === 0 ? {} : { externalReferences: references }),
        ...(ancestors.length === 0 ? {} : { pedigree: { ancestors, ...(notes === '' ? {} : { notes }) } }),
        modelCard: {
          modelParameters: {
            task: manifest.task,
            ...(definition.datasets === undefined ? {} : { datasets: definition.datasets.map(datasetOf) }),
            inputs: modelsOf(manifest).map((model) => ({ format: inputOf(model) })),
            outputs: modelsOf(manifest).map((model) => ({ format: outputOf(model) })),
          },
          properties: [
            ...properties('acceptance', manifest.acceptance.limits),
            property('acceptance.samples', manifest.acceptance.samples.length),
          ],
        },
        properties: [
          property('variant', manifest.variant.id),
          property('runtime', manifest.variant.runtime),
          property('format', manifest.variant.format),
          property('precision', manifest.variant.precision),
          property('file', manifest.variant.file),
          property('sourceFile', content.sourceFile),
          property('releaseCounter', manifest.releaseCounter),
          ...(manifest.training === undefined
            ? []
            : [
                property('training.backbone', manifest.training.backbone),
                property('training.base', manifest.training.base),
              ]),
        ],
      },
    },
    components: listed.map((name) => ({
      type: 'file',
      'bom-ref': `file:${name}`,
      name,
      hashes: hashes(digests.get(name)),
    })),
    dependencies: [
      {
        ref: MODEL_REF,
        dependsOn: listed.filter((name) => !name.startsWith(`${PROVENANCE_FOLDER}/`)).map((name) => `file:${name}`),
      },
    ],
  });
  return Buffer.from(`${JSON.stringify(bom, null, 2)}\n`, 'utf8');
}

/** The pictures are data to try the model with; the manifest lists them. */
function isSample(name: string, manifest: ReleaseManifest): boolean {
  return manifest.acceptance.samples.some(({ file }) => file === name);
}

function inputOf({ preprocessing: { width, height, color, layout, scale } }: ManifestModel): string {
  const channels = channelCount(color);
  const shape = {
    nchw: `[1,${channels},${height},${width}]`,
    nhwc: `[1,${height},${width},${channels}]`,
    flat: `[1,${height * width * channels}]`,
  }[layout];
  return `picture of ${width} × ${height} pixels, ${color}, as a float tensor ${shape} (${layout}, pixel · ${scale})`;
}

function outputOf({ task, labels, postprocessing }: ManifestModel): string {
  const { activation, decoder } = postprocessing;
  if (task === 'classification') {
    return `one value for each of ${labels.length} labels (${LABELS_FILE}), activation ${activation}`;
  }
  const of = labels.length === 0 ? '' : `, of ${labels.length} labels`;
  return `${task}${of}${decoder === undefined ? '' : `, as ${decoder}`}, activation ${activation}`;
}

function authorOf(text: string): { name: string; email?: string } {
  const [, name, email] = /^(.+?)\s*<([^<>\s]+@[^<>\s]+)>$/.exec(text) ?? [];
  return name === undefined || email === undefined ? { name: text } : { name, email };
}

function licenceOf(text: string): z.infer<typeof licenseSchema> {
  const kind = licenceKind(text);
  if (kind === 'expression') return { expression: text };
  return { license: kind === 'id' ? { id: text } : { name: text } };
}

function datasetOf({ name, url, description }: NonNullable<ModelDefinition['datasets']>[number]) {
  return {
    type: 'dataset',
    name,
    ...(description === undefined ? {} : { description }),
    ...(url === undefined ? {} : { contents: { url } }),
  };
}

function sourceReferences({ sources = [] }: ModelDefinition) {
  return sources.map((url) => ({ url, type: /\.git$/.test(new URL(url).pathname) ? 'vcs' : 'website' }));
}

function signatureReferences(provenance: Provenance | undefined) {
  if (provenance === undefined) return [];
  const path = `${PROVENANCE_FOLDER}/${SIGNATURE_FILE}`;
  return [
    {
      url: path,
      type: 'attestation',
      comment: `OpenSSF Model Signing bundle of the model as it was before, by the key ${provenance.signed.keyId}`,
      hashes: hashes(sha256(provenance.files.get(path) ?? Buffer.of())),
    },
  ];
}

function signedAncestors(provenance: Provenance | undefined) {
  if (provenance === undefined) return [];
  const { name, rootDigest } = provenance.signed;
  return [
    {
      type: 'machine-learning-model',
      name,
      description:
        'As its first signer signed it; the digest is over the digests of its files, after OpenSSF Model Signing',
      hashes: hashes(rootDigest),
    },
  ];
}

function lineageAncestors(lineage: Lineage | undefined) {
  if (lineage === undefined) return [];
  const { model, version } = splitReleaseName(lineage.parent);
  return [{ type: 'machine-learning-model', name: model, version }];
}

function lineageNotes(lineage: Lineage | undefined): string[] {
  if (lineage === undefined) return [];
  const { round, devices, samples, updateSha256, parent } = lineage;
  return [
    `The head of ${parent} was improved by federated round ${round}: ${devices} devices, ${samples} labelled samples, update with SHA-256 ${updateSha256}.`,
  ];
}

function changeNotes({ provenance, manifest }: BomContent): string[] {
  if (provenance === undefined) return [];
  return [
    ...Object.entries(provenance.changed).map(([path, how]) => `${path}: ${how}.`),
    ...(manifest.training === undefined
      ? []
      : [`${manifest.variant.file} has the input of its head as a further output, for training on devices.`]),
  ];
}

function properties(prefix: string, values: Readonly<Record<string, unknown>>) {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [property(`${prefix}.${name}`, value)],
  );
}

function property(name: string, value: unknown): z.infer<typeof propertySchema> {
  return { name: `aviary:${name}`, value: String(value) };
}

function hashes(content: string | undefined) {
  return [{ alg: 'SHA-256', content }];
}

/** A UUID that follows from texts: version 8 (RFC 9562, 5.8), over SHA-256. */
function uuidOf(texts: readonly string[]): string {
  const bytes = createHash('sha256').update(JSON.stringify(texts)).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
