import { readFile } from 'node:fs/promises';

/** What a program or library for Linux says of itself (elf(5), and the generic ABI's chapter on dynamic linking). */
export interface Elf {
  readonly machine: 'amd64' | 'arm64';
  /** Libraries that it needs, e.g. `libc.so.6`. */
  readonly needed: readonly string[];
  /** Versions of their symbols that it needs, e.g. `GLIBC_2.28`. */
  readonly versions: readonly string[];
}

const MACHINES: Record<number, Elf['machine']> = { 62: 'amd64', 183: 'arm64' };
const SECTION_DYNAMIC = 6;
const SECTION_VERSIONS_NEEDED = 0x6ffffffe;
const TAG_NEEDED = 1n;

/** @returns undefined for what is no ELF file of one of our machines: 64 bits, little-endian */
export const readElf = async (path: string): Promise<Elf | undefined> => {
  const file = await readFile(path);
  if (file.length < 64 || file.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return undefined;
  const machine = MACHINES[file.readUInt16LE(18)];
  if (machine === undefined) return undefined;
  const sections = sectionsOf(file);
  const textOf = (link: number): ((at: number) => string) => {
    const strings = sections[link]?.offset ?? 0;
    return (at) => file.toString('latin1', strings + at, file.indexOf(0, strings + at));
  };
  const needed: string[] = [];
  const versions: string[] = [];
  for (const { type, offset, size, link, info } of sections) {
    const text = textOf(link);
    if (type === SECTION_DYNAMIC) {
      for (let at = offset; at < offset + size; at += 16) {
        if (file.readBigUInt64LE(at) === TAG_NEEDED) needed.push(text(Number(file.readBigUInt64LE(at + 8))));
      }
    } else if (type === SECTION_VERSIONS_NEEDED) {
      let library = offset;
      for (let left = info; left > 0; left -= 1) {
        let version = library + file.readUInt32LE(library + 8);
        for (let names = file.readUInt16LE(library + 2); names > 0; names -= 1) {
          versions.push(text(file.readUInt32LE(version + 8)));
          version += file.readUInt32LE(version + 12);
        }
        library += file.readUInt32LE(library + 12);
      }
    }
  }
  return { machine, needed, versions };
};

const sectionsOf = (file: Buffer) => {
  const start = Number(file.readBigUInt64LE(40));
  const size = file.readUInt16LE(58);
  return Array.from({ length: file.readUInt16LE(60) }, (_, index) => {
    const at = start + index * size;
    return {
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 24)),
      size: Number(file.readBigUInt64LE(at + 32)),
      link: file.readUInt32LE(at + 40),
      info: file.readUInt32LE(at + 44),
    };
  });
};
