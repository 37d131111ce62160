import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { DeviceFacts, RuntimeFact } from '@aviary/hardware';
import type { FailedSidecar } from '../inference/sidecar/find-sidecars.ts';
import type { SidecarHello } from '../inference/sidecar/sidecar-messages.ts';
import type { BoardRoot } from './board-root.ts';
import type { InstalledSoftware } from './installed-software.ts';

/** The ONNX Runtime that comes with the agent. It is looked at, not loaded: this process runs no model. */
export const ownOnnxRuntime = async (): Promise<RuntimeFact> => {
  const require = createRequire(import.meta.url);
  const folder = dirname(dirname(require.resolve('onnxruntime-node')));
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string };
  const cuda = join(folder, 'bin', 'napi-v6', process.platform, process.arch, 'libonnxruntime_providers_cuda.so');
  return { name: 'onnxruntime', version, providers: existsSync(cuda) ? ['cuda', 'cpu'] : ['cpu'] };
};

/** Folders in which Python packages lie, for the version of each Python that is there. */
const pythonFolders = async (root: BoardRoot): Promise<string[]> => {
  const folders = ['usr/lib', 'usr/local/lib'].map(async (folder) =>
    (await root.names(folder))
      .filter((name) => /^python3(\.\d+)?$/.test(name))
      .map((name) => `${folder}/${name}/dist-packages`),
  );
  return (await Promise.all(folders)).flat();
};

/** TensorFlow Lite for Python, as the Edge TPU is used with it: a Debian package, or a wheel by the folder it leaves. */
const tfliteVersion = async (root: BoardRoot, software: InstalledSoftware): Promise<string | undefined> => {
  const packaged = await software.packageVersion('python3-tflite-runtime');
  if (packaged !== undefined) return packaged;
  for (const folder of await pythonFolders(root)) {
    for (const name of await root.names(folder)) {
      const [, version] = /^tflite_runtime-([\w.]+)\.dist-info$/.exec(name) ?? [];
      if (version !== undefined) return version;
    }
  }
  return undefined;
};

/** What is told of sidecars that were started to see whether they answer. */
export interface ToldSidecars {
  readonly proven: readonly { readonly hello: Pick<SidecarHello, 'runtime' | 'version' | 'prepares'> }[];
  readonly failed: readonly FailedSidecar[];
}

/**
 * Programs beside ONNX Runtime that run models, as far as they are installed. One that a sidecar has answered for is
 * installed, wherever it lies, in the version that the sidecar says; the others cannot be used.
 */
export const findRuntimes = async (
  root: BoardRoot,
  software: InstalledSoftware,
  { proven }: ToldSidecars,
): Promise<RuntimeFact[]> => {
  const installed: readonly (readonly [RuntimeFact['name'], string | undefined])[] = [
    ['tensorrt', await software.libraryVersion('libnvinfer')],
    ['tflite', await tfliteVersion(root, software)],
    ['hailort', (await software.libraryVersion('libhailort')) ?? (await software.packageVersion('hailort'))],
  ];
  return installed.flatMap(([name, version]): RuntimeFact[] => {
    // The first that runs a runtime is the one that is used.
    const hello = proven.find((one) => one.hello.runtime === name)?.hello;
    if (hello !== undefined) {
      const { prepares = [] } = hello;
      return [{ name, version: hello.version, providers: [], ...(prepares.length === 0 ? {} : { prepares }) }];
    }
    return version === undefined ? [] : [{ name, version, providers: [], usable: false }];
  });
};

/** Most of what a sidecar says that is told: a fact is no log. */
const LONGEST_PROBLEM = 256;

/** The sidecars that do not run here, and why. */
export const failedSidecars = ({ failed }: ToldSidecars): Pick<DeviceFacts, 'failedSidecars'> =>
  failed.length === 0
    ? {}
    : {
        failedSidecars: failed.map(({ name, runtime, problem }) => ({
          name,
          runtime,
          problem: problem.length <= LONGEST_PROBLEM ? problem : `${problem.slice(0, LONGEST_PROBLEM - 1)}…`,
        })),
      };

/** The version of CUDA, which its installer writes down; without a toolkit that of the runtime library. */
export const findCuda = async (root: BoardRoot, software: InstalledSoftware): Promise<string | undefined> => {
  const [, version] =
    /"cuda"\s*:\s*\{[^}]*"version"\s*:\s*"([\d.]+)"/.exec((await root.text('usr/local/cuda/version.json')) ?? '') ?? [];
  return version ?? (await software.libraryVersion('libcudart'));
};

/** Jetson Linux, of `# R36 (release), REVISION: 4.3, …`; in a container of the package that it came in. */
export const findL4t = async (root: BoardRoot, software: InstalledSoftware): Promise<DeviceFacts['l4t']> => {
  const [, major, revision] =
    /R(\d+)[^,]*,\s*REVISION:\s*([\d.]+)/.exec((await root.text('etc/nv_tegra_release')) ?? '') ?? [];
  return major === undefined ? software.packageVersion('nvidia-l4t-core') : `${major}.${revision}`;
};
