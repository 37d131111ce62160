import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildAgentPackage, DEBIAN_ARCHES } from './agent-package.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const USAGE = `Usage: npm run package -- agent [options]

Makes packages of the agent for Debian and what descends from it: aviary-agent_VERSION_ARCH.deb

  --arch ARCH     amd64 or arm64 (both)
  --out DIR       where they go (dist)
  --version V     another version than that of apps/agent/package.json
`;

/** The command line is wrong. */
class UsageError extends Error {
  readonly code = 'usage';
}

const parse = () => {
  const options = { arch: { type: 'string' }, out: { type: 'string' }, version: { type: 'string' } } as const;
  try {
    return parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h' } }, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
};

/** When the sources were committed, so that the same ones give the same package; or as reproducible-builds.org has it. */
const epochOf = (given: string | undefined): number => {
  const text = given ?? execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' });
  const epoch = Number(text.trim());
  if (Number.isSafeInteger(epoch) && epoch > 0) return epoch;
  throw new UsageError(`Expected seconds since 1970 in SOURCE_DATE_EPOCH, got "${text.trim()}".`);
};

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;

const main = async (): Promise<void> => {
  const { values, positionals } = parse();
  if (values.help === true) {
    process.stdout.write(USAGE);
    return;
  }
  if (positionals.join(' ') !== 'agent')
    throw new UsageError(`Expected: agent, got "${positionals.join(' ')}".\n\n${USAGE}`);
  const arches = DEBIAN_ARCHES.filter((arch) => values.arch === undefined || values.arch === arch);
  if (arches.length === 0) throw new UsageError(`Expected --arch ${DEBIAN_ARCHES.join(' or ')}, got "${values.arch}".`);
  const own = JSON.parse(readFileSync(resolve(ROOT, 'apps/agent/package.json'), 'utf8')) as { version: string };
  const version = values.version ?? own.version;
  if (!/^\d[\w.+~]*$/.test(version))
    throw new UsageError(`Expected a version such as 1.2.0 for --version, got "${version}".`);
  const folder = resolve(values.out ?? resolve(ROOT, 'dist'));
  const epoch = epochOf(process.env.SOURCE_DATE_EPOCH);
  for (const arch of arches) {
    const { path, archiveBytes, installedBytes, nodeBytes } = await buildAgentPackage({ arch, version, folder, epoch });
    const ratio = (installedBytes / nodeBytes).toFixed(2);
    process.stdout.write(
      `${relative(process.cwd(), path)}: ${megabytes(archiveBytes)}, installed ${megabytes(installedBytes)}, ${ratio} of its Node alone\n`,
    );
  }
};

try {
  await main();
} catch (error) {
  const isOurs = error instanceof Error && 'code' in error && typeof error.code === 'string';
  process.stderr.write(`package: ${isOurs ? error.message : error instanceof Error ? error.stack : error}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
