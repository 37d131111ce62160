import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';
import {
  ABSENT,
  asciiOnly,
  builtinsByUse,
  clockAlone,
  GLOBALS,
  OWN_OF_NODE,
  SMALL_SOURCE,
  standIns,
} from './lean-code.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const AGENT = join(ROOT, 'apps/agent');

/** Packages that stay packages: they look for libraries beside themselves, and the agent looks for them. */
const EXTERNAL = ['onnxruntime-common', 'onnxruntime-node', 'sharp'];
/** What MQTT.js loads for connections that the agent does not make: those through WebSockets and SOCKS proxies. */
const NEVER_LOADED = ['socks', 'ws'];

/** Where the package has what programs of the agent open beside themselves, as seen from its `dist`. */
const PLACES: ReadonlyMap<string, string> = new Map([
  [join(AGENT, 'package.json'), '../package.json'],
  [join(ROOT, 'firmware-profiles'), '../firmware-profiles'],
]);

/** A program of the agent opens what the package does not have. */
export class BundleError extends Error {
  readonly code = 'bundle-incomplete';
}

/** Code that is in the bundle, and not ours. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  /** The text that its authors want to go with it. */
  readonly text: string;
}

/**
 * Says anew where files are that lie beside a program: in the bundle all programs lie in one folder.
 * @param onProgram told of each other program that is started by its path
 */
const ownFiles = (onProgram: (file: string) => void): Plugin => ({
  name: 'own-files',
  transform: {
    filter: { id: /\/(apps|libs)\/[^/]+\/dist\//, code: /import\.meta/ },
    handler(code, id) {
      const relocated = code.replaceAll(/new URL\('([^']+)', import\.meta\.url\)/g, (_, path: string) => {
        const file = resolve(dirname(id), path);
        const place = PLACES.get(file);
        if (place !== undefined) return `new URL('${place}', /* own */ import.meta.url)`;
        if (!/-main\.js$/.test(file) || !existsSync(file)) {
          throw new BundleError(`${id} opens ${path}, which the package does not have. Say where it is to be.`);
        }
        onProgram(file);
        return `new URL('./${basename(file)}', /* own */ import.meta.url)`;
      });
      const others = relocated.replaceAll(/\/\* own \*\/ import\.meta\.url|createRequire\(import\.meta\.url\)/g, '');
      if (others.includes('import.meta')) {
        throw new BundleError(`${id} uses import.meta in a way that the bundle does not know.`);
      }
      return { code: relocated };
    },
  },
});

/**
 * Puts the compiled programs of the agent, and what they import, into few files. Each program has files of its own: in
 * one it could come to lie in a file that another program imports, and would run there.
 * @param folder where they go
 * @returns whose code is in them
 * @throws BundleError
 */
export const bundlePrograms = async (folder: string): Promise<BundledPackage[]> => {
  const programs = new Set(['main.js', 'small-heap.js'].map((file) => join(AGENT, 'dist', file)));
  const modules: string[] = [];
  // It grows while it is gone through.
  for (const file of programs) modules.push(...(await bundle(file, folder, (other) => void programs.add(other))));
  return packagesOf(modules);
};

/** @returns paths of the modules that are in it */
const bundle = async (file: string, folder: string, onProgram: (file: string) => void): Promise<string[]> => {
  const name = basename(file, '.js');
  const build = await rolldown({
    cwd: ROOT,
    platform: 'node',
    input: { [name]: file },
    external: [...EXTERNAL, ...NEVER_LOADED],
    resolve: { alias: OWN_OF_NODE },
    transform: { inject: GLOBALS, define: ABSENT },
    plugins: [standIns, clockAlone, builtinsByUse, ownFiles(onProgram), asciiOnly],
    onLog: (level, { code, message }, log) => {
      if (code === 'UNRESOLVED_IMPORT') throw new BundleError(message);
      if (code !== 'EVAL') log(level, message);
    },
  });
  try {
    const { output } = await build.write({
      dir: folder,
      format: 'esm',
      minify: SMALL_SOURCE,
      entryFileNames: '[name].js',
      chunkFileNames: `${name}.[name].js`,
    });
    return output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []));
  } finally {
    await build.close();
  }
};

const packagesOf = async (modules: readonly string[]): Promise<BundledPackage[]> => {
  const folders = new Set(
    modules.flatMap((id) => /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1] ?? []).sort(),
  );
  return Promise.all(
    [...folders].map(async (folder) => {
      const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
      const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).sort();
      const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
      return { name, version, license, text: texts.join('\n') };
    }),
  );
};
