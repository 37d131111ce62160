import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DependsError, dependsOf } from '../../deploy/packaging/debian-depends.ts';
import { type Elf, readElf } from '../../deploy/packaging/elf.ts';

const elf = (needed: string[], versions: string[] = []): Elf => ({ machine: 'arm64', needed, versions });
const none = new Set<string>();

describe('what a package depends on', () => {
  it('is what its binaries need, in the newest version that one of them asks for', () => {
    const program = elf(['libm.so.6', 'libc.so.6', 'libgcc_s.so.1'], ['GLIBC_2.4', 'GLIBC_2.28', 'GCC_3.0']);
    const library = elf(
      ['libc.so.6', 'libstdc++.so.6', 'libown.so.1'],
      ['GLIBC_2.17', 'GLIBCXX_3.4', 'GLIBCXX_3.4.22'],
    );
    expect(dependsOf([program, library], new Set(['libown.so.1']))).toEqual([
      'libc6 (>= 2.28)',
      'libgcc-s1',
      'libstdc++6 (>= 6)',
    ]);
  });

  it('is not guessed', () => {
    expect(() => dependsOf([elf(['libnew.so.2'])], none)).toThrow(DependsError);
    expect(() => dependsOf([elf(['libnew.so.2'])], none)).toThrow('libnew.so.2');
    expect(() => dependsOf([elf(['libstdc++.so.6'], ['GLIBCXX_3.4.99'])], none)).toThrow('GLIBCXX_3.4.99');
  });
});

describe('an ELF file', () => {
  it('is read as the loader reads it', async () => {
    const read = await readElf(process.execPath);
    expect(read?.machine).toBe(process.arch === 'x64' ? 'amd64' : 'arm64');
    // With this the loader says which version it looks for in which library, of all that it loads.
    const { stderr } = spawnSync(process.execPath, ['--version'], { env: { LD_DEBUG: 'versions' }, encoding: 'utf8' });
    const asked = [...stderr.matchAll(/checking for version `(\S+)' in file \S+ \[\d+\] required by file (\S+)/g)]
      .filter(([, , file]) => file === process.execPath)
      .map(([, version]) => version);
    expect(asked.length).toBeGreaterThan(3);
    expect([...new Set(read?.versions)].sort()).toEqual([...new Set(asked)].sort());
  });

  it('is not every file', async () => {
    expect(await readElf(fileURLToPath(import.meta.url))).toBeUndefined();
  });
});
