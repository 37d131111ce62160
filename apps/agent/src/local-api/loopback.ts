import type { Server } from 'node:http';

/** A port of this board alone. */
export interface LoopbackAddress {
  readonly host: '127.0.0.1' | '::1';
  readonly port: number;
}

/** The port cannot be listened on as was asked. */
export class ListenError extends Error {
  readonly code: 'listen-not-loopback' | 'listen-in-use';
  constructor(code: ListenError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** @param text of `--listen` @throws ListenError `listen-not-loopback` */
export const parseListen = (text: string): LoopbackAddress => {
  const [, host, digits] = /^(127\.0\.0\.1|\[::1\]|localhost):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host !== undefined && port > 0 && port < 65_536) return { host: host === '[::1]' ? '::1' : '127.0.0.1', port };
  throw new ListenError(
    'listen-not-loopback',
    `Expected --listen 127.0.0.1:PORT or [::1]:PORT, got "${text}". It asks nobody who they are, so it listens on this board alone; for others put a server with passwords or certificates before it.`,
  );
};

/** @throws ListenError `listen-in-use`; what the kernel throws */
export const listenOnLoopback = (server: Server, { host, port }: LoopbackAddress): Promise<void> =>
  new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void => {
      const words = `Another program listens on ${host}, port ${port}. Stop it, or name another port with --listen.`;
      reject(error.code === 'EADDRINUSE' ? new ListenError('listen-in-use', words) : error);
    };
    server.once('error', refuse);
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', refuse);
      resolve();
    });
  });

const OWN_HOST = /^(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?$/i;

/**
 * Whether a request on the port comes from a program, and not from a web page in a browser of this board: pages say
 * where they come from (`Origin`), or have made a name of their own point here (`Host`; DNS rebinding).
 */
export const isFromProgram = (headers: {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}): boolean => headers.origin === undefined && OWN_HOST.test(headers.host ?? '');
