import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuiltDebian, buildDebian } from './debian-archive.ts';
import { dependsOf } from './debian-depends.ts';
import { type Elf, readElf } from './elf.ts';
import { lockedPackage } from './locked-package.ts';
import { type BundledPackage, bundlePrograms } from './program-bundle.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILES = join(ROOT, 'deploy/agent');
const NAME = 'aviary-agent';
const HOME = `usr/lib/${NAME}`;
/** The agent, in the Node that it comes with; as seen from the root of what is installed. */
export const PROGRAM = `${HOME}/bin/${NAME}`;
const CONFIG = 'etc/aviary/agent.conf';

/** The installed package over its Node alone. */
const MOST_OF_NODE = 1.6;

const EXECUTABLES = [`${HOME}/bin/node`, PROGRAM, `usr/bin/${NAME}`];

/** Debian's names of architectures, and Node's. */
const NODE_ARCH = { amd64: 'x64', arm64: 'arm64' } as const;
export type DebianArch = keyof typeof NODE_ARCH;
export const DEBIAN_ARCHES: readonly DebianArch[] = ['amd64', 'arm64'];

export interface AgentPackageOptions {
  readonly arch: DebianArch;
  /** As Debian has it, such as 1.2.0. */
  readonly version: string;
  /** Where the package goes. */
  readonly folder: string;
  /** Seconds since 1970 that all files bear. */
  readonly epoch: number;
}

export interface AgentPackage extends BuiltDebian {
  /** Bytes of all files that it installs. */
  readonly installedBytes: number;
  /** Bytes of its Node. */
  readonly nodeBytes: number;
}

/** The package would be one that nobody wants. */
export class PackageError extends Error {
  readonly code = 'package-unfit';
}

/** Which files of an npm package go along. Licences always do. */
type Choice = (path: string) => boolean;

const CODE = /\.(js|cjs|mjs|json)$/;
const isCode: Choice = (path) => CODE.test(path) && !/^(test|bench|install|script|lib)\//.test(path);

/** npm packages that go along as such, for one architecture of Node. */
const packagesOf = (arch: string): Readonly<Record<string, Choice>> => {
  const runtime = `bin/napi-v6/linux/${arch}/`;
  return {
    // Its library for the CPU, and none of another platform or of CUDA.
    'onnxruntime-node': (path) =>
      /^(package\.json|dist\/[^/]+\.js)$/.test(path) ||
      [`${runtime}libonnxruntime.so.1`, `${runtime}onnxruntime_binding.node`].includes(path),
    'onnxruntime-common': isCode,
    sharp: isCode,
    '@img/colour': isCode,
    'detect-libc': (path) => CODE.test(path),
    semver: isCode,
    [`@img/sharp-linux-${arch}`]: (path) => CODE.test(path) || path.endsWith('.node'),
    [`@img/sharp-libvips-linux-${arch}`]: (path) => CODE.test(path) || /^lib\/libvips-cpp\.so/.test(path),
  };
};

const filesOf = async (folder: string): Promise<string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
};

const copyFile = async (from: string, to: string): Promise<void> => {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { dereference: true });
};

const copyPackage = async (name: string, isWanted: Choice, modules: string): Promise<void> => {
  const from = await lockedPackage(name);
  const wanted = (await filesOf(from)).filter((path) => isWanted(path) || /^licen[cs]e/i.test(path));
  for (const path of wanted) await copyFile(join(from, path), join(modules, name, path));
};

const write = async (path: string, content: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
};

/** As Debian wants it (machine-readable, version 1.0), with the licences of what is in the bundle. */
const copyrightOf = (bundled: readonly BundledPackage[]): string => {
  const indented = (text: string): string =>
    text
      .split('\n')
      .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`))
      .join('\n');
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    'Upstream-Name: Aviary',
    'Comment: Packages below node_modules have their licences beside them; that of Node is in LICENSE.node.',
    '',
    'Files: *',
    'Copyright: The Aviary authors',
    'License: Apache-2.0',
    ' On Debian it is in /usr/share/common-licenses/Apache-2.0.',
    ...bundled.flatMap(({ name, version, license, text }) => [
      '',
      `Files: ${HOME}/dist/*`,
      `Comment: code of ${name} ${version}`,
      'Copyright: as its licence says',
      `License: ${license}`,
      indented(text.trim() === '' ? `${license}; its package has no further words.` : text.trim()),
    ]),
    '',
  ].join('\n');
};

/** Lays the files as they will lie on a board, below `tree`; the agent can be started there (`PROGRAM`). */
export const layFiles = async (tree: string, arch: DebianArch, version: string): Promise<void> => {
  const home = join(tree, HOME);
  const nodeArch = NODE_ARCH[arch];
  const node = await lockedPackage(`node-linux-${nodeArch}`);
  await copyFile(join(node, 'bin/node'), join(home, 'bin/node'));
  await copyFile(join(ROOT, 'apps/agent/bin/aviary-agent.js'), join(home, 'bin/aviary-agent.js'));
  await copyFile(join(FILES, 'node-for-agent.sh'), join(tree, PROGRAM));
  // Here too, and not only in the package's list, so that it can be started from the tree.
  await chmod(join(tree, PROGRAM), 0o755);
  const bundled = await bundlePrograms(join(home, 'dist'));
  await write(join(home, 'package.json'), `${JSON.stringify({ name: NAME, version, type: 'module' }, null, 2)}\n`);
  await cp(join(ROOT, 'firmware-profiles'), join(home, 'firmware-profiles'), {
    recursive: true,
    filter: (path) => !basename(path).includes('.') || path.endsWith('.json'),
  });
  await cp(join(ROOT, 'apps/agent/sidecars/python'), join(home, 'sidecars'), {
    recursive: true,
    // Not what a Python has left there.
    filter: (path) => !basename(path).includes('.') || /\.(json|py)$/.test(path),
  });
  for (const [name, isWanted] of Object.entries(packagesOf(nodeArch))) {
    await copyPackage(name, isWanted, join(home, 'node_modules'));
  }
  await copyFile(join(FILES, 'aviary-agent.sh'), join(tree, 'usr/bin', NAME));
  await copyFile(join(FILES, 'aviary-agent.service'), join(tree, 'lib/systemd/system/aviary-agent.service'));
  await copyFile(join(FILES, 'agent.conf'), join(tree, CONFIG));
  const documents = join(tree, 'usr/share/doc', NAME);
  await write(join(documents, 'copyright'), copyrightOf(bundled));
  await copyFile(join(node, 'LICENSE'), join(documents, 'LICENSE.node'));
};

/** @throws PackageError for one of another machine */
const elvesOf = async (tree: string, arch: DebianArch): Promise<Map<string, Elf>> => {
  const elves = new Map<string, Elf>();
  for (const path of await filesOf(tree)) {
    const elf = await readElf(join(tree, path));
    if (elf === undefined) continue;
    if (elf.machine !== arch) throw new PackageError(`${path} is for ${elf.machine}, and the package for ${arch}.`);
    elves.set(path, elf);
  }
  return elves;
};

const sizeOf = async (tree: string): Promise<number> => {
  let bytes = 0;
  for (const path of await filesOf(tree)) bytes += (await stat(join(tree, path))).size;
  return bytes;
};

/**
 * Makes the agent's package for Debian and what descends from it: with a Node and native libraries of its own, for one
 * architecture. The same sources, version and epoch give the same bytes.
 * @throws PackageError when it is larger than it may be; BundleError, DependsError, IntegrityError, DebianError
 */
export const buildAgentPackage = async (options: AgentPackageOptions): Promise<AgentPackage> => {
  const { arch, version, folder, epoch } = options;
  const tree = await mkdtemp(join(tmpdir(), 'aviary-package-'));
  try {
    await layFiles(tree, arch, version);
    const elves = await elvesOf(tree, arch);
    const own = new Set([...elves.keys()].map((path) => basename(path)));
    const installedBytes = await sizeOf(tree);
    const nodeBytes = (await stat(join(tree, HOME, 'bin/node'))).size;
    if (installedBytes > MOST_OF_NODE * nodeBytes) {
      const [whole, node] = [installedBytes, nodeBytes].map((bytes) => Math.round(bytes / 2 ** 20));
      throw new PackageError(
        `The package installs ${whole} MB, and may have ${MOST_OF_NODE} times the ${node} MB of its Node.`,
      );
    }
    const built = await buildDebian(tree, {
      name: NAME,
      version,
      architecture: arch,
      depends: ['adduser', ...dependsOf([...elves.values()], own)],
      recommends: ['ffmpeg', 'python3', 'tpm2-tools'],
      description: 'fleet agent for vision models on edge devices',
      details:
        'Makes a board a device of an Aviary fleet: it runs vision models on what its cameras see, brings in signed releases, tries them, and goes back by itself when one does not hold.',
      conffiles: [CONFIG],
      scripts: Object.fromEntries(
        await Promise.all(
          ['postinst', 'prerm', 'postrm'].map(async (script) => [script, await readFile(join(FILES, script), 'utf8')]),
        ),
      ),
      executables: EXECUTABLES,
      epoch,
      folder,
    });
    return { ...built, installedBytes, nodeBytes };
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
};
