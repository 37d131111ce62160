import { setTimeout as pause } from 'node:timers/promises';
import { SidecarConnection } from './sidecar-connection.ts';
import {
  readSidecarManifest,
  type SidecarManifest,
  SidecarManifestError,
  sidecarManifestsIn,
} from './sidecar-manifest.ts';
import type { SidecarHello } from './sidecar-messages.ts';
import { SidecarProcess } from './sidecar-process.ts';

/** A sidecar that has answered on this board, and with what. */
export interface ProvenSidecar {
  readonly manifest: SidecarManifest;
  readonly hello: SidecarHello;
}

/** One that has not: it runs nothing here. */
export interface FailedSidecar {
  readonly name: string;
  /** Absent where not even its manifest can be read. */
  readonly runtime: SidecarManifest['runtime'] | undefined;
  /** Why, for people. */
  readonly problem: string;
}

export interface FoundSidecars {
  readonly proven: readonly ProvenSidecar[];
  readonly failed: readonly FailedSidecar[];
}

/** A vendor's Python package on a cold memory card takes its time. */
const HELLO_PATIENCE_MS = 20_000;
/** One that closes its socket ends a moment later. */
const LAST_WORDS_MS = 500;

/**
 * Starts a sidecar, lets it say hello, and ends it.
 * @throws SidecarRefusedError; an error with the sidecar's last words when it does not answer in time
 */
export const askHello = async (manifest: SidecarManifest, patienceMs = HELLO_PATIENCE_MS): Promise<SidecarHello> => {
  const sidecar = new SidecarProcess(manifest);
  const connection = new SidecarConnection(sidecar.socket);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      sidecar.kill();
      reject(new Error(`it did not say hello within ${patienceMs} ms`));
    }, patienceMs);
  });
  const gone = sidecar.exited.then((words) => Promise.reject(new Error(words)));
  // Its own words say more than that the connection has closed.
  const hello = connection.hello().catch(async (error: unknown) => {
    if (connection.isEnded) await Promise.race([gone, pause(LAST_WORDS_MS)]);
    throw error;
  });
  try {
    const said = await Promise.race([hello, gone, late]);
    if (said.runtime === manifest.runtime) return said;
    throw new Error(`its manifest says that it runs ${manifest.runtime}, and it says ${said.runtime}`);
  } finally {
    clearTimeout(timer);
    connection.close();
    await sidecar.end();
    gone.catch(() => undefined);
  }
};

/**
 * Which sidecars of a folder run models on this board, found out by starting each of them once. Those that lack their
 * vendor's libraries end at once; they and all others that say no hello are told with the reason.
 * @param folder of manifests; null: none
 */
export const findSidecars = async (folder: string | null, patienceMs?: number): Promise<FoundSidecars> => {
  const paths = folder === null ? [] : await sidecarManifestsIn(folder);
  const found = await Promise.all(
    paths.map(async (path): Promise<ProvenSidecar | FailedSidecar> => {
      let manifest: SidecarManifest | undefined;
      try {
        manifest = await readSidecarManifest(path);
        return { manifest, hello: await askHello(manifest, patienceMs) };
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        const name = manifest?.name ?? (error instanceof SidecarManifestError ? error.sidecar : path);
        return { name, runtime: manifest?.runtime, problem };
      }
    }),
  );
  return {
    proven: found.filter((one) => 'hello' in one),
    failed: found.filter((one) => 'problem' in one),
  };
};
