import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { BoardRoot } from '../../facts/board-root.ts';
import type { DetectOptions } from '../../facts/detect-facts.ts';
import type { BoardFixture } from './board-fixture.ts';
import { coralDevBoard } from './coral.ts';
import { jetsonAgxOrin, jetsonOrinNano, jetsonXavierNx } from './jetson.ts';
import { x8664 } from './pc.ts';
import { rpi4, rpi5, rpi5Hailo8l, rpiCoralUsb } from './raspberry-pi.ts';

/** A board for each profile. */
export const BOARDS: readonly BoardFixture[] = [
  rpi4,
  rpi5,
  rpi5Hailo8l,
  rpiCoralUsb,
  coralDevBoard,
  jetsonOrinNano,
  jetsonAgxOrin,
  jetsonXavierNx,
  x8664,
];

/** Writes a board's files below a folder. */
export const writeBoard = async (root: string, files: BoardFixture['files']): Promise<BoardRoot> => {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return new BoardRoot(root);
};

/** How its facts are found: with its files, its tools, and an agent of its architecture that can use all runtimes. */
export const detectionOf = ({ board, arch, glibc, tools = {} }: BoardFixture, root: BoardRoot) =>
  ({
    root,
    runTool: async (command, args) => tools[[command, ...args].join(' ')],
    own: {
      arch,
      glibc,
      onnxRuntime: { name: 'onnxruntime', version: '1.30.0', providers: ['cpu'] },
    },
    sidecars: {
      proven: exampleFacts(board).runtimes.map(({ name: runtime, version }) => ({ hello: { runtime, version } })),
      failed: [],
    },
  }) satisfies DetectOptions;
