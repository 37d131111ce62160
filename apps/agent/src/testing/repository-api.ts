import { ApiError, deviceRoutes } from '@aviary/protocol';
import type { RepositorySimulator } from '@aviary/release/testing';
import { AnswerTooLongError, type DeviceApi } from '../link/device-api.ts';

const METADATA = deviceRoutes.metadata.path.replace(':file', '');
const TARGETS = deviceRoutes.fleetTarget.path.replace(':sha256', '');

/** The part of the device plane that gives out an image repository, without a network between. */
export const repositoryApi = (repository: RepositorySimulator): Pick<DeviceApi, 'bytes'> => ({
  bytes: async (path, limit) => {
    const file = path.startsWith(METADATA)
      ? await repository.source(path.slice(METADATA.length), limit)
      : repository.contents.get(path.slice(TARGETS.length));
    if (file === undefined) {
      throw new ApiError({ type: 'about:blank', title: 'none', status: 404, code: 'unknown', detail: `no ${path}` });
    }
    if (file.length > limit) throw new AnswerTooLongError(`expected at most ${limit} bytes`);
    return Buffer.from(file);
  },
});
