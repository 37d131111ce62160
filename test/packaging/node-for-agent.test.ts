import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePki } from '../../apps/agent/src/testing/fleet-pki.ts';

// What the package starts, with a program in the place of the agent that tells how it was started and whom it believes.

const LAUNCHER = fileURLToPath(new URL('../../deploy/agent/node-for-agent.sh', import.meta.url));
const PROGRAM = `
import { connect, getCACertificates } from 'node:tls';
const said = {
  args: process.argv.slice(2),
  options: process.execArgv,
  collects: typeof gc,
  authorities: getCACertificates('default').length,
};
const [port] = said.args;
const tell = (server) => console.log(JSON.stringify({ ...said, server }));
const socket = connect({ port: Number(port), host: '127.0.0.1' }, () => socket.end(() => tell('believed')));
socket.once('error', ({ code }) => tell(code));
`;

let folder: string;
let server: Server;
/** Starts it where the environment names the authority of `server` in both of the ways that Node and OpenSSL know. */
const start = async (...more: string[]) => {
  const authority = join(folder, 'authority.pem');
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: authority, SSL_CERT_FILE: authority };
  const args = [`${(server.address() as AddressInfo).port}`, ...more];
  const { stdout } = await promisify(execFile)(join(folder, 'aviary-agent'), args, { env });
  return JSON.parse(stdout);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-launcher-'));
  await copyFile(LAUNCHER, join(folder, 'aviary-agent'));
  await chmod(join(folder, 'aviary-agent'), 0o755);
  await symlink(process.execPath, join(folder, 'node'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'aviary-agent.js'), PROGRAM);
  const pki = await makePki('d-one');
  await writeFile(join(folder, 'authority.pem'), pki.fleetCa);
  const { key, certificate: cert } = pki.server;
  server = createServer({ key, cert }, (socket) => socket.resume().once('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

describe('the launcher of the package', () => {
  it('starts the Node beside it with what the agent relies on', async () => {
    const said = await start('two words');
    expect(said.args[1]).toBe('two words');
    // These two are what apps/agent/src/small-heap.ts looks for.
    expect(said.options).toContain('--max-semi-space-size=1');
    expect(said.collects).toBe('function');
  });

  it('lets Node read no authorities, also where the environment names some', async () => {
    expect(await start()).toMatchObject({
      authorities: 0,
      server: expect.stringMatching(/SELF_SIGNED|UNABLE/),
    });
  });
});
