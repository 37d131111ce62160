import type { Probation } from '@aviary/release';
import { type Answer, blobServers, wholeFile } from './blob-server.ts';
import type { Manner } from './fake-slot.ts';
import { sealRelease } from './sealed-release.ts';
import { temporaryFolders } from './temporary-folder.ts';
import { assigned, candidateOf, PROBATION, UpdateRig } from './update-rig.ts';

export const a = await sealRelease('a@1.0.0', { releaseCounter: 1 });
export const b = await sealRelease('b@1.0.0', { releaseCounter: 2, rollbackFloor: 1 });
export const c = await sealRelease('c@1.0.0', { releaseCounter: 3 });

type Manners = Readonly<Record<string, Manner>>;

const blobs: Answer = (response, start, path) => {
  const release = [a, b, c].find(({ held }) => path.endsWith(held.sha256));
  wholeFile(release?.sealed ?? Buffer.alloc(0))(response, start, path);
};

/** Makes devices whose control plane has `a`, `b` and `c`, or answers otherwise. To be called once, at the top of a test file. */
export const updateDevices = () => {
  const makeFolder = temporaryFolders();
  const serve = blobServers();
  const device = async (manners: Manners = {}, answer: Answer = blobs): Promise<UpdateRig> =>
    new UpdateRig(await makeFolder(), await serve(answer), manners);
  return {
    device,
    /** With `a` committed, and `b` assigned by execution e1. */
    updating: async (manners: Manners = {}, answer?: Answer, probation: Probation = PROBATION): Promise<UpdateRig> => {
      const rig = await device(manners, answer);
      await rig.keep(a);
      const candidate = candidateOf(assigned(b, 'e1', probation));
      await rig.write({ committed: a.held, candidate });
      return rig;
    },
  };
};
