// Preloaded into processes (NODE_OPTIONS=--import …): appends everything that an agent writes to a network connection to
// a file in AVIARY_TAP, as it is before TLS. Pipes and Unix sockets stay on the device and are left out.
import { appendFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';

const directory = process.env.AVIARY_TAP;
if (directory !== undefined && process.argv[1]?.includes('aviary-agent')) {
  const file = join(directory, `${process.pid}.bin`);
  const record = (socket, chunk, encoding) => {
    if (chunk === undefined || chunk === null || typeof chunk === 'function') return;
    if (!(socket instanceof TLSSocket) && socket.remoteAddress === undefined) return;
    appendFileSync(file, typeof chunk === 'string' ? Buffer.from(chunk, encoding ?? 'utf8') : chunk);
  };
  for (const method of ['write', 'end']) {
    const original = Socket.prototype[method];
    Socket.prototype[method] = function tapped(chunk, encoding, callback) {
      record(this, chunk, typeof encoding === 'string' ? encoding : undefined);
      return original.call(this, chunk, encoding, callback);
    };
  }
}
