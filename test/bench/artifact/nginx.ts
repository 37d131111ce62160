import { spawn, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../support/free-port.ts';
import { runPeer } from '../../support/peer.ts';
import { until } from '../../support/test-fleet.ts';

/** Debian's nginx with one file to serve, asked for over the TLS that the device plane speaks. */
export interface Nginx {
  readonly url: string;
  /** Its certificate, which is its own CA. */
  readonly caFile: string;
  stop(): Promise<void>;
}

/** @throws naming the package when nginx is not installed */
const assertInstalled = (): void => {
  if (spawnSync('/usr/sbin/nginx', ['-v']).error !== undefined) {
    throw new Error('This needs nginx. Install it: apt-get install nginx-light');
  }
};

/**
 * One worker, TLS 1.3, a P-256 certificate, a client certificate that is asked for and not demanded: as the device plane.
 * The rest is nginx's own default.
 */
const configuration = (folder: string, port: number, served: string): string => `
daemon off;
master_process off;
pid ${join(folder, 'nginx.pid')};
error_log ${join(folder, 'error.log')} error;
events { worker_connections 64; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(folder, name)};`).join(' ')}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_protocols TLSv1.3;
    ssl_certificate ${join(folder, 'server.crt')};
    ssl_certificate_key ${join(folder, 'server.key')};
    ssl_verify_client optional_no_ca;
    root ${served};
  }
}
`;

/** Serves the files below `served`. */
export const startNginx = async (folder: string, served: string): Promise<Nginx> => {
  assertInstalled();
  await mkdir(folder);
  const port = await freePort();
  const [key, certificate] = [join(folder, 'server.key'), join(folder, 'server.crt')];
  const made = await runPeer(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
      ...['-subj', '/CN=nginx', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate],
    ],
    'openssl',
  );
  if (made.code !== 0) throw new Error(`openssl made no certificate: ${made.stderr}`);
  const file = join(folder, 'nginx.conf');
  await writeFile(file, configuration(folder, port, served));
  const child = spawn('/usr/sbin/nginx', ['-p', folder, '-c', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const url = `https://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await gone;
  };
  try {
    await until('the start of nginx', 10, async () => {
      const answer = await runPeer('curl', ['-s', '-o', '/dev/null', '--cacert', certificate, url], 'curl');
      return answer.code === 0 ? true : undefined;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, caFile: certificate, stop };
};
