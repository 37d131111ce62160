import { renderTable } from '../render/table.ts';
import type { CheckedInside } from './opened-variant.ts';
import type { MetadataState, PublishedRelease } from './published-release.ts';
import type { LocalFinding } from './verify-local.ts';
import type { ReleaseFinding, VariantFinding } from './verify-release.ts';

export type Finding = ReleaseFinding | LocalFinding;

/** The first thing that does not hold; undefined when all does. */
export const problemIn = (finding: Finding): VariantFinding['problem'] | undefined =>
  finding.kind === 'release' ? finding.variants.find(({ problem }) => problem !== null)?.problem : undefined;

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MB`;

const insideWords = ({ files, bom }: CheckedInside): string =>
  `${files} files as signed, ${bom === null ? 'no ML-BOM' : `ML-BOM (CycloneDX ${bom.specVersion}) fits`}`;

const closedWords = { 'not-asked': 'not looked at', 'not-allowed': 'closed to your role' } as const;

const releaseWords = ({ statement, publisher, stopped }: PublishedRelease): string => {
  const { release, releaseCounter, rollbackFloor, minAgent } = statement;
  const by = publisher.name ?? 'a key that may not sign any more';
  const words = `${release}   counter ${releaseCounter}, rollback floor ${rollbackFloor}, signed by ${by} (${publisher.keyId.slice(0, 16)}), for agents from ${minAgent}`;
  return stopped ? `${words}; devices have to stop it` : words;
};

const variantRow = ({ variant, length, sha256, profiles, inside, closed, problem }: VariantFinding): string[] => [
  variant,
  problem === null ? `holds, ${megabytes(length)}` : 'DOES NOT HOLD',
  sha256.slice(0, 16),
  inside === null ? (closed === null ? '' : closedWords[closed]) : insideWords(inside),
  profiles.join(','),
];

const localWords = ({ kind, path, release, target, inside }: LocalFinding): string => {
  const what = { folder: 'is the folder', archive: 'is the archive', sealed: 'has the sealed bytes' }[kind];
  const seen = inside === null ? `${megabytes(target.length)} as signed` : insideWords(inside);
  return `${path} ${what} of ${release.statement.release}, variant ${target.variant}: ${seen}.\n${releaseWords(release)}`;
};

/** What was found, for people. */
export const findingWords = (finding: Finding): string => {
  if (finding.kind !== 'release') return localWords(finding);
  const { release, variants } = finding;
  const problems = variants.flatMap(({ variant, problem }) =>
    problem === null ? [] : [`${variant}: ${problem.message}`],
  );
  return [
    releaseWords(release),
    renderTable(['variant', 'sealed', 'sha256', 'inside', 'profiles'], variants.map(variantRow)),
    ...problems,
  ].join('\n');
};

/** Until when the metadata counts, for people. */
export const metadataWords = ({ expiresAt, roles }: MetadataState): string =>
  `The signed metadata (targets version ${roles.targets.version}, root version ${roles.root.version}) counts until ${new Date(expiresAt).toISOString().slice(0, 16)}Z.`;
