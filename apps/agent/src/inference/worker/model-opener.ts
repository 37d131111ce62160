import { join } from 'node:path';
import type { ManifestModel, ReleaseManifest } from '@aviary/release';
import { WorkerStartError } from '../errors.ts';
import { inheritedSocket } from '../sidecar/inherited-socket.ts';
import { SidecarConnection } from '../sidecar/sidecar-connection.ts';
import type { WorkerConfig } from '../worker-messages.ts';
import type { ModelSession } from './model-session.ts';
import { openSidecarSession } from './sidecar-session.ts';

/** Opens one model of a release in what runs its variant. @throws WorkerStartError */
export type OpenModel = (part: ManifestModel) => Promise<ModelSession>;

/**
 * Who opens a release's models: ONNX Runtime in this process, or the sidecar whose socket the supervisor has given to it.
 * @param onAlive called while the sidecar is at something that takes long
 * @throws WorkerStartError when nobody here runs the variant; SidecarLostError
 */
export const openerOf = async (
  { variant }: ReleaseManifest,
  config: WorkerConfig,
  onAlive: () => void,
): Promise<OpenModel> => {
  const { runtime, format, providers = config.providers } = variant;
  const { archiveDirectory, intraOpThreads, profileFolder, prepared = {} } = config;
  if (config.hasSidecar !== true) {
    if (runtime === 'onnxruntime' && format === 'onnx') {
      // Not loaded where a sidecar runs the models.
      const { openSession } = await import('./session.ts');
      return ({ id, file }) => {
        const profilePrefix = profileFolder && join(profileFolder, id);
        return openSession({ modelFile: join(archiveDirectory, file), providers, intraOpThreads, profilePrefix });
      };
    }
    throw refused(`this worker runs ONNX files with onnxruntime, the variant is ${format} for ${runtime}`);
  }
  const connection = new SidecarConnection(inheritedSocket(), { onAlive });
  const hello = await connection.hello();
  if (hello.runtime !== runtime)
    throw refused(`expected a sidecar for ${runtime}, it says that it runs ${hello.runtime}`);
  let models = 0;
  return ({ file }) => {
    const model = models;
    models += 1;
    const built = prepared[file];
    return openSidecarSession(connection, hello, {
      model,
      file: built ?? join(archiveDirectory, file),
      format,
      prepared: built !== undefined,
      threads: intraOpThreads,
    });
  };
};

const refused = (words: string): WorkerStartError => new WorkerStartError('worker-start-failed', words);
