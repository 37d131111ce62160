import { createHash } from 'node:crypto';
import { link, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What a path of an image is. Two names of one file have the same `node`. */
export type ImageEntry =
  | { readonly kind: 'folder' }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'file'; readonly node: number; readonly content: Buffer };

/** What lies in a folder: relative paths, each after the folder that it is in. */
export type DiskImage = ReadonlyMap<string, ImageEntry>;

/** Content that was written and not synced: all of it is gone, its second half reads as zeros, or it is there. */
export type ContentFate = 'lost' | 'torn' | 'kept';

/** What becomes of the changes that nobody has synced when the power goes; each is asked for by its place in the history. */
export interface Fate {
  readonly keepsNames: (place: number) => boolean;
  readonly content: (place: number) => ContentFate;
}

/** The same for all changes. */
export const fateOf = (keepsNames: boolean, content: ContentFate): Fate => ({
  keepsNames: () => keepsNames,
  content: () => content,
});

interface DiskNode {
  readonly id: number;
  readonly kind: ImageEntry['kind'];
  readonly target: string;
  /** Of a folder, as programs see it. */
  readonly names: Map<string, DiskNode>;
  /** Of a file, as programs see it. */
  content: Buffer;
}

type HistoryEntry<Mark> = { readonly words: string } & (
  | { readonly kind: 'content'; readonly node: DiskNode; readonly content: Buffer }
  | { readonly kind: 'names'; readonly folder: DiskNode; readonly changes: readonly NameChange[] }
  | { readonly kind: 'sync'; readonly node: DiskNode }
  | { readonly kind: 'mark'; readonly mark: Mark }
);
type NameChange = readonly [name: string, node: DiskNode | undefined];

/**
 * All that was done to a folder, in order, and what the disk may hold of it when the power goes at any place. As POSIX has
 * it, and no file system promises more: content counts once its file is synced, the names in a folder once the folder is.
 * What is not synced may be there or not, each change by itself and in any order; a rename happens as a whole or not at all.
 * Marks stand between the changes, for what became visible outside of the disk.
 */
export class DiskHistory<Mark> {
  readonly entries: HistoryEntry<Mark>[] = [];
  readonly #root: DiskNode;
  readonly #base: ReadonlyMap<DiskNode, { readonly names: Map<string, DiskNode>; readonly content: Buffer }>;
  #nodes = 0;

  /** @param base what lies on the disk before, all of it synced */
  constructor(base: DiskImage) {
    this.#root = this.#newNode('folder');
    const byNumber = new Map<number, DiskNode>();
    const all = [this.#root];
    for (const [path, entry] of base) {
      let node = entry.kind === 'file' ? byNumber.get(entry.node) : undefined;
      if (node === undefined) {
        node = this.#newNode(entry.kind, entry.kind === 'link' ? entry.target : '');
        if (entry.kind === 'file') {
          node.content = entry.content;
          byNumber.set(entry.node, node);
        }
        all.push(node);
      }
      this.#folderOf(path).names.set(nameOf(path), node);
    }
    this.#base = new Map(all.map((node) => [node, { names: new Map(node.names), content: node.content }]));
  }

  get length(): number {
    return this.entries.length;
  }

  /** What programs see at a path; '' is the folder itself. */
  at(path: string): DiskNode | undefined {
    let node: DiskNode | undefined = this.#root;
    for (const name of path === '' ? [] : path.split('/')) node = node?.names.get(name);
    return node;
  }

  create(path: string, kind: ImageEntry['kind'], target = ''): DiskNode {
    const node = this.#newNode(kind, target);
    this.#rename(this.#folderOf(path), [[nameOf(path), node]], `create ${path}`);
    return node;
  }

  write(node: DiskNode, content: Buffer, path: string): void {
    if (content.equals(node.content)) return;
    node.content = content;
    this.entries.push({ kind: 'content', node, content, words: `write ${path}` });
  }

  /** Both in one folder. */
  rename(from: string, to: string): void {
    const node = this.at(from);
    // Two names of one file: POSIX has it that nothing is done then.
    if (node === undefined || node === this.at(to)) return;
    if (dirname(from) !== dirname(to)) throw new Error(`expected a rename within a folder, got ${from} to ${to}`);
    const changes: NameChange[] = [
      [nameOf(to), node],
      [nameOf(from), undefined],
    ];
    this.#rename(this.#folderOf(from), changes, `rename ${from} to ${to}`);
  }

  link(existing: string, path: string): void {
    const node = this.at(existing);
    if (node !== undefined) this.#rename(this.#folderOf(path), [[nameOf(path), node]], `link ${existing} to ${path}`);
  }

  /** With all that is in it, each name by itself. */
  remove(path: string): void {
    const node = this.at(path);
    if (node === undefined) return;
    for (const name of [...node.names.keys()]) this.remove(join(path, name));
    this.#rename(this.#folderOf(path), [[nameOf(path), undefined]], `remove ${path}`);
  }

  sync(node: DiskNode, path: string): void {
    this.entries.push({ kind: 'sync', node, words: `sync ${path === '' ? '.' : path}` });
  }

  mark(mark: Mark): void {
    this.entries.push({ kind: 'mark', mark, words: `mark ${JSON.stringify(mark)}` });
  }

  /** What was visible outside before this place. */
  marksBefore(place: number): Mark[] {
    return this.entries.slice(0, place).flatMap((entry) => (entry.kind === 'mark' ? [entry.mark] : []));
  }

  /** Changes before this place that a power cut may take back, in words. */
  unsynced(place = this.length): string[] {
    const settled = this.#settledAt(place);
    return this.entries
      .slice(0, place)
      .filter((entry, i) => (entry.kind === 'content' || entry.kind === 'names') && !settled.has(i))
      .map(({ words }) => words);
  }

  /** What the disk holds when the power goes before the entry at `place`. */
  image(place: number, fate: Fate): DiskImage {
    const settled = this.#settledAt(place);
    const names = new Map([...this.#base].map(([node, before]) => [node, new Map(before.names)]));
    const contents = new Map([...this.#base].map(([node, before]) => [node, before.content]));
    const latest = new Map<DiskNode, { readonly content: Buffer; readonly place: number }>();
    for (const [i, entry] of this.entries.slice(0, place).entries()) {
      if (entry.kind === 'content') {
        if (settled.has(i)) contents.set(entry.node, entry.content);
        else latest.set(entry.node, { content: entry.content, place: i });
      } else if (entry.kind === 'names' && (settled.has(i) || fate.keepsNames(i))) {
        const there = names.get(entry.folder) ?? new Map<string, DiskNode>();
        names.set(entry.folder, there);
        for (const [name, node] of entry.changes) {
          if (node === undefined) there.delete(name);
          else there.set(name, node);
        }
      }
    }
    for (const [node, { content, place: i }] of latest) {
      const before = contents.get(node) ?? Buffer.alloc(0);
      contents.set(node, afterCut(before, content, fate.content(i)));
    }
    const image = new Map<string, ImageEntry>();
    const walk = (folder: DiskNode, path: string): void => {
      for (const [name, node] of [...(names.get(folder) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const here = join(path, name);
        image.set(here, imageEntry(node, contents.get(node) ?? Buffer.alloc(0)));
        if (node.kind === 'folder') walk(node, here);
      }
    };
    walk(this.#root, '');
    return image;
  }

  /** Places of the changes that were synced before `place`. */
  #settledAt(place: number): Set<number> {
    const settled = new Set<number>();
    const waiting = new Map<DiskNode, number[]>();
    for (const [i, entry] of this.entries.slice(0, place).entries()) {
      if (entry.kind === 'mark') continue;
      const node = entry.kind === 'names' ? entry.folder : entry.node;
      if (entry.kind !== 'sync') waiting.set(node, [...(waiting.get(node) ?? []), i]);
      else {
        for (const one of waiting.get(node) ?? []) settled.add(one);
        waiting.delete(node);
      }
    }
    return settled;
  }

  #rename(folder: DiskNode, changes: readonly NameChange[], words: string): void {
    for (const [name, node] of changes) {
      if (node === undefined) folder.names.delete(name);
      else folder.names.set(name, node);
    }
    this.entries.push({ kind: 'names', folder, changes, words });
  }

  #folderOf(path: string): DiskNode {
    const folder = this.at(dirname(path) === '.' ? '' : dirname(path));
    if (folder?.kind !== 'folder') throw new Error(`expected a folder for ${path}`);
    return folder;
  }

  #newNode(kind: ImageEntry['kind'], target = ''): DiskNode {
    this.#nodes += 1;
    return { id: this.#nodes, kind, target, names: new Map(), content: Buffer.alloc(0) };
  }
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Torn: the length has reached the disk, and not all blocks have. */
const afterCut = (before: Buffer, after: Buffer, fate: ContentFate): Buffer => {
  if (fate !== 'torn') return fate === 'kept' ? after : before;
  const from = Math.min(before.length, after.length);
  const torn = Buffer.from(after);
  return torn.fill(0, from + Math.floor((after.length - from) / 2));
};

const imageEntry = ({ kind, target, id }: DiskNode, content: Buffer): ImageEntry => {
  if (kind === 'folder') return { kind };
  return kind === 'link' ? { kind, target } : { kind, node: id, content };
};

/** Reads a folder. Sockets are left out. */
export const readImage = async (folder: string): Promise<DiskImage> => {
  const image = new Map<string, ImageEntry>();
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => [join(entry.parentPath, entry.name).slice(folder.length + 1), entry] as const);
  for (const [path, entry] of paths.sort(([a], [b]) => (a < b ? -1 : 1))) {
    const full = join(folder, path);
    if (entry.isDirectory()) image.set(path, { kind: 'folder' });
    else if (entry.isSymbolicLink()) image.set(path, { kind: 'link', target: await readlink(full) });
    else if (entry.isFile()) image.set(path, { kind: 'file', node: image.size, content: await readFile(full) });
  }
  return image;
};

/** Makes an empty folder hold an image. */
export const writeImage = async (image: DiskImage, folder: string): Promise<void> => {
  const written = new Map<number, string>();
  for (const [path, entry] of image) {
    const full = join(folder, path);
    if (entry.kind === 'folder') await mkdir(full, { mode: 0o700 });
    else if (entry.kind === 'link') await symlink(entry.target, full);
    else {
      const other = written.get(entry.node);
      if (other === undefined) await writeFile(full, entry.content, { mode: 0o600 });
      else await link(other, full);
      written.set(entry.node, full);
    }
  }
};

const hashes = new WeakMap<Buffer, string>();

/** SHA-256 of a file's content, hex; taken once for each. */
export const sha256Of = (content: Buffer): string => {
  const known = hashes.get(content) ?? createHash('sha256').update(content).digest('hex');
  hashes.set(content, known);
  return known;
};

/** The same for images that a program cannot tell from each other. */
export const keyOf = (image: DiskImage): string => {
  const hash = createHash('sha256');
  for (const [path, entry] of image) {
    hash.update(`${path}\0${entry.kind}\0${entry.kind === 'link' ? entry.target : ''}\0`);
    if (entry.kind === 'file') hash.update(sha256Of(entry.content));
  }
  return hash.digest('hex');
};
