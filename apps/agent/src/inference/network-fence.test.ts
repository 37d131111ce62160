import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { networkFence, tryNetworkFence } from './network-fence.ts';
import { TemporaryFolders, workerFromSource, writeLightRelease } from './testing/light-release.ts';
import { spawnFenced } from './worker-fence.ts';
import { startWorker } from './worker-handle.ts';

const folders = new TemporaryFolders();
afterAll(() => folders.remove());

/** Tries to reach a port of this machine, and tells how that went and which process it is. */
const PROBE = `
  import { connect } from 'node:net';
  const { port } = JSON.parse(process.argv[2]);
  const tell = (how) => { console.log(JSON.stringify({ how, pid: process.pid })); process.exit(); };
  connect(port, '127.0.0.1').once('connect', () => tell('connected')).once('error', ({ code }) => tell(code));
`;

describe('the network fence', () => {
  it('keeps a child from a port of the board itself, and is no other process than the child', async () => {
    // Where the kernel allows no namespace there is nothing to see here; then the agent has to say so.
    const fence = networkFence();
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const folder = folders.make();
    const program = join(folder, 'probe.mjs');
    writeFileSync(program, PROBE);
    const child = spawnFenced({
      program,
      imports: [],
      config: { port },
      readable: [],
      addons: false,
      heapMB: 64,
      cwd: folder,
      // Node's own switch for the network, where it has one, is not what is tested here.
      execArgv: process.allowedNodeEnvironmentFlags.has('--allow-net') ? ['--allow-net'] : [],
    });
    let said = '';
    for await (const chunk of child.stdout) said += chunk;
    server.close();
    expect(JSON.parse(said)).toEqual({ how: fence.closed ? 'ENETUNREACH' : 'connected', pid: child.pid });
  });

  it('is around a worker', async () => {
    const archiveDirectory = await writeLightRelease(folders.make());
    const worker = await startWorker({ archiveDirectory, providers: ['cpu'], ...workerFromSource });
    try {
      const namespaceOf = (pid: number | 'self'): string => readlinkSync(`/proc/${pid}/ns/net`);
      if (networkFence().closed) expect(namespaceOf(worker.pid)).not.toBe(namespaceOf('self'));
      else expect(namespaceOf(worker.pid)).toBe(namespaceOf('self'));
    } finally {
      await worker.stop();
    }
  });

  it('needs no privileges, where the kernel lets everybody have a user namespace', () => {
    const script = `import { tryNetworkFence } from '${new URL('./network-fence.ts', import.meta.url).href}';
      console.log(JSON.stringify(tryNetworkFence(process.env)));`;
    // Root without this capability is as everybody else here, and may still read this checkout.
    const [command = '', ...before] = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-sys_admin'] : ['env'];
    const unprivileged = (...words: string[]) => spawnSync(command, [...before, ...words], { encoding: 'utf8' });
    expect(unprivileged('unshare', '--net', 'true').status).not.toBe(0);
    const { stdout, stderr } = unprivileged(process.execPath, '--input-type=module', '-e', script);
    const allowed = unprivileged('unshare', '--user', '--map-root-user', '--net', 'true').status === 0;
    expect({ stderr, fence: JSON.parse(stdout) }).toMatchObject({ fence: { closed: allowed } });
    if (allowed) expect(JSON.parse(stdout).command).toContain('--user');
  });

  it('says why there is none', () => {
    expect(tryNetworkFence({ PATH: folders.make() })).toEqual({
      closed: false,
      command: [],
      words: 'there is no unshare on this board (apt-get install util-linux)',
    });
    const folder = folders.make();
    writeFileSync(join(folder, 'unshare'), '#!/bin/sh\necho "unshare: Operation not permitted" >&2; exit 1', {
      mode: 0o755,
    });
    expect(tryNetworkFence({ PATH: folder })).toEqual({
      closed: false,
      command: [],
      words: 'the kernel gives no network namespace (unshare: Operation not permitted)',
    });
  });
});
