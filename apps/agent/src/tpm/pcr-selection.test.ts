import { describe, expect, it } from 'vitest';
import { checkPcrs, isPcrSelection } from './pcr-selection.ts';

describe('PCRs to seal to', () => {
  it.each(['sha256:7', 'sha256:0,2,7', 'sha1:23', 'sha384:0'])('are named as %s', (text) => {
    expect(isPcrSelection(text)).toBe(true);
  });

  it.each([
    '',
    '7',
    'sha256',
    'sha256:',
    'sha256:24',
    'sha256:7,',
    'sha256:7,7',
    'sha256:all',
    'md5:7',
    'sha256:7+sha1:7',
  ])('are not named as "%s"', (text) => expect(isPcrSelection(text)).toBe(false));

  const value = '65CAF8DD1E0EA7A6347B635D2B379C93B9A1351EDC2AFC3ECDA700E234EB3068';
  const read = (...lines: string[]) => ['  sha256:', ...lines, ''].join('\n');

  it('are there and hold something', () => {
    expect(() => checkPcrs('sha256:0,11', read(`    0 : 0x${value}`, `    11: 0x${value}`))).not.toThrow();
  });

  it('that the TPM does not have are refused: it would bind to nothing', () => {
    expect(() => checkPcrs('sha256:7', read())).toThrow('there is no PCR 7 in its bank sha256');
    expect(() => checkPcrs('sha256:7,8', read(`    7 : 0x${value}`))).toThrow('there is no PCR 8');
  });

  it.each(['00', 'FF'])('that hold what each board has there (%s…) are refused', (byte) => {
    const never = read(`    7 : 0x${value}`, `    17: 0x${byte.repeat(32)}`);
    expect(() => checkPcrs('sha256:7,17', never)).toThrow('PCR 17 has never been written');
  });
});
