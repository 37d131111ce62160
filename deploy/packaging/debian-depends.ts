import type { Elf } from './elf.ts';

/** Debian's packages of the libraries that a system has to bring. */
const PACKAGES: Record<string, string> = {
  'ld-linux-x86-64.so.2': 'libc6',
  'ld-linux-aarch64.so.1': 'libc6',
  'libc.so.6': 'libc6',
  'libdl.so.2': 'libc6',
  'libm.so.6': 'libc6',
  'libpthread.so.0': 'libc6',
  'libresolv.so.2': 'libc6',
  'librt.so.1': 'libc6',
  'libatomic.so.1': 'libatomic1',
  'libgcc_s.so.1': 'libgcc-s1',
  'libstdc++.so.6': 'libstdc++6',
};

/** With which GCC a version of libstdc++'s symbols came (its manual, "ABI Policy and Guidelines"), by its last number. */
const GCC_OF_GLIBCXX: readonly (readonly [newest: number, gcc: string])[] = [
  [21, '5'],
  [22, '6'],
  [24, '7'],
  [25, '8'],
  [27, '9'],
  [28, '9.3'],
  [29, '11'],
  [30, '12'],
  [32, '13'],
];

/** Something in the package needs what this file does not know. */
export class DependsError extends Error {
  readonly code = 'depends-unknown';
}

/** The newest of versions such as `GLIBC_2.28`, as numbers. */
const newest = (elves: readonly Elf[], family: string): number[] => {
  const all = elves
    .flatMap(({ versions }) => versions)
    .filter((version) => version.startsWith(`${family}_`))
    .map((version) =>
      version
        .slice(family.length + 1)
        .split('.')
        .map(Number),
    );
  return all.sort(([a0 = 0, a1 = 0, a2 = 0], [b0 = 0, b1 = 0, b2 = 0]) => b0 - a0 || b1 - a1 || b2 - a2)[0] ?? [];
};

/**
 * What the programs and libraries of a package need of the system, as Debian's `Depends` has it; read from them and not
 * declared, so that it cannot be wrong after an update of theirs.
 * @param own names of the libraries that are in the package
 * @throws DependsError
 */
export const dependsOf = (elves: readonly Elf[], own: ReadonlySet<string>): string[] => {
  const libraries = new Set(elves.flatMap(({ needed }) => needed).filter((library) => !own.has(library)));
  const packages = new Set<string>();
  for (const library of libraries) {
    const name = PACKAGES[library];
    if (name === undefined)
      throw new DependsError(`Which package of Debian has ${library}? Say so in debian-depends.ts.`);
    packages.add(name);
  }
  return [...packages].sort().map((name) => {
    if (name === 'libc6') return `libc6 (>= ${newest(elves, 'GLIBC').join('.')})`;
    if (name !== 'libstdc++6') return name;
    const [, , last = 0] = newest(elves, 'GLIBCXX');
    const gcc = GCC_OF_GLIBCXX.find(([until]) => last <= until)?.[1];
    if (gcc === undefined) throw new DependsError(`Which GCC has GLIBCXX_3.4.${last}? Say so in debian-depends.ts.`);
    return `libstdc++6 (>= ${gcc})`;
  });
};
