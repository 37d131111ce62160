import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { SealLostError, TpmUnavailableError } from './tpm-error.ts';
import { deviceFailure, TpmTools, toolFailure } from './tpm-tools.ts';

const makeFolder = temporaryFolders();
const TCTI = 'device:/dev/tpmrm0';
afterEach(() => {
  vi.unstubAllEnvs();
});

describe('what tpm2-tools 5.4 say', () => {
  it.each([
    ['tpm2_load', 'ERROR: Eys_Load(0x1DF) - tpm:parameter(1):integrity check failed', 'other-tpm'],
    ['tpm2_unseal', 'ERROR: Esys_Unseal(0x99D) - tpm:session(1):a policy check failed', 'pcrs-changed'],
  ])('by %s: the seal is lost (%s)', (tool, said, loss) => {
    const failure = toolFailure(tool, TCTI, `${said}\nERROR: Unable to run ${tool}\n`);
    expect(failure).toBeInstanceOf(SealLostError);
    expect(failure).toMatchObject({ code: 'seal-lost', loss });
  });

  it.each([
    [
      'ERROR: Esys_CreatePrimary(0x9A2) - tpm:session(1):authorization failure without DA implications',
      'The owner hierarchy of the TPM has a password.',
    ],
    ['ERROR: Could not load tcti, got: "device:/dev/tpmrm0"', 'No TPM answers at device:/dev/tpmrm0.'],
    ['ERROR: Eys_Load(0x902) - tpm:warn(2.0): out of memory for object contexts', 'out of memory for object contexts'],
    // A code of the resource manager, not of the TPM, whose last bits are those of a lost seal.
    ['ERROR: Esys_Load(0x9001F) - rmt:error(2.0): something', 'cannot be used: tpm2_load failed'],
    // Version 1.2 codes and warnings have no such bits.
    [
      'ERROR: Esys_Unseal(0x12F) - tpm:error(2.0): authValue or authPolicy is not available',
      'authPolicy is not available',
    ],
    ['a line that is none of its own', 'a line that is none of its own'],
  ])('%s: the TPM is to be put right, and the keys are not given up', (said, words) => {
    const failure = toolFailure('tpm2_load', TCTI, `${said}\n`);
    expect(failure).toBeInstanceOf(TpmUnavailableError);
    expect(failure.message).toContain(words);
  });
});

describe('a TPM', () => {
  it('that is not there is told from one that may not be used', async () => {
    const device = join(await makeFolder(), 'tpmrm0');
    await expect(new TpmTools(`device:${device}`).demand()).rejects.toMatchObject({
      code: 'tpm-unavailable',
      message: `There is no TPM at ${device} (ENOENT). Switch it on in the firmware, or name another one with --tcti.`,
    });
    expect(deviceFailure('/dev/tpmrm0', 'EACCES').message).toMatch(/^This user may not use the TPM at .*usermod -aG/);
  });

  it('needs its tools, and says which to install', async () => {
    vi.stubEnv('PATH', await makeFolder());
    await expect(new TpmTools('swtpm:').run('tpm2_unseal', [])).rejects.toMatchObject({
      code: 'tpm-unavailable',
      message: 'Sealing keys needs tpm2_unseal, which is not installed. Install it: apt-get install tpm2-tools',
    });
  });

  it('is where the environment of tpm2-tools says, unless told otherwise', () => {
    vi.stubEnv('TPM2TOOLS_TCTI', 'mssim:port=1');
    expect(new TpmTools().tcti).toBe('mssim:port=1');
    expect(new TpmTools('swtpm:').tcti).toBe('swtpm:');
    vi.stubEnv('TPM2TOOLS_TCTI', undefined);
    expect(new TpmTools().tcti).toBe(TCTI);
  });
});
