import { lstat, rm } from 'node:fs/promises';
import { connect, type Server } from 'node:net';

/** What `sockaddr_un` holds beside the zero that ends it (unix(7)). */
const LONGEST_PATH_BYTES = 107;

/** The socket cannot be where it was asked to be. */
export class SocketPathError extends Error {
  readonly code: 'socket-path-too-long' | 'socket-path-taken' | 'socket-in-use';
  constructor(code: SocketPathError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** @throws SocketPathError `socket-path-too-long` */
export const checkSocketPath = (path: string): void => {
  const length = Buffer.byteLength(path);
  if (length <= LONGEST_PATH_BYTES) return;
  throw new SocketPathError(
    'socket-path-too-long',
    `Expected a path of at most ${LONGEST_PATH_BYTES} bytes for the local socket, got ${length}: ${path}. Name a shorter one with --socket PATH, or have none with --socket none.`,
  );
};

/**
 * Lets a server listen on a Unix socket that only this user may open. A socket that nobody listens on any more, as a
 * crash leaves it, is replaced.
 * @throws SocketPathError; what the disk throws
 */
export const listenOnSocket = async (server: Server, path: string): Promise<void> => {
  checkSocketPath(path);
  const kind = await lstat(path).catch(() => undefined);
  if (kind !== undefined) {
    if (!kind.isSocket()) {
      throw new SocketPathError(
        'socket-path-taken',
        `Expected a free path for the local socket, got ${path}, which is a file of another kind. Move it, or name another path with --socket PATH.`,
      );
    }
    if (await isListenedOn(path)) {
      throw new SocketPathError(
        'socket-in-use',
        `Another program listens on ${path}. Stop it, or name another path with --socket PATH.`,
      );
    }
    await rm(path, { force: true });
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // The socket is made within `listen`, and with the right mode: there is no moment in which others may open it.
    const before = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
};

const isListenedOn = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Refused: nobody is there. Whatever else (a full backlog, another user's) is somebody's.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
