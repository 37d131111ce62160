import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConnectionError } from '../connection-error.ts';
import { keepContext } from './contexts.ts';
import { findCredentials } from './credentials.ts';

const FLEET = 'https://fleet.example';
const LAB = 'http://lab.example:8080';

let folder: string;
let tokenFile: string;

const log = (name: string, server: string) =>
  keepContext(name, { server, user: name, role: 'viewer', token: `avt_${name}`, tokenId: null, expiresAt: null });
const withAdminToken = () => writeFile(join(folder, 'data', 'admin.token'), 'from-data\n');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-credentials-'));
  tokenFile = join(folder, 'token');
  await mkdir(join(folder, 'data'));
  await writeFile(tokenFile, 'from-file\n');
  vi.stubEnv('XDG_CONFIG_HOME', folder);
  vi.stubEnv('AVIARY_DATA', join(folder, 'data'));
  vi.stubEnv('AVIARY_SERVER', undefined);
  vi.stubEnv('AVIARY_TOKEN', undefined);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

describe('findCredentials', () => {
  it('takes the current context when nothing else says more', async () => {
    await log('lab', LAB);
    await log('fleet', `${FLEET}/`);
    expect(await findCredentials({})).toEqual({ server: FLEET, token: 'avt_fleet', from: 'the context "fleet"' });
  });

  it('takes the admin token of the data directory before it', async () => {
    await log('fleet', FLEET);
    await withAdminToken();
    expect(await findCredentials({})).toMatchObject({ server: 'http://127.0.0.1:8080', token: 'from-data' });
  });

  it('takes the environment before that', async () => {
    await withAdminToken();
    vi.stubEnv('AVIARY_TOKEN', ' from-environment\n');
    vi.stubEnv('AVIARY_SERVER', `${LAB}/`);
    expect(await findCredentials({})).toEqual({ server: LAB, token: 'from-environment', from: 'AVIARY_TOKEN' });
  });

  it('takes flags before everything', async () => {
    await log('lab', LAB);
    await log('fleet', FLEET);
    await withAdminToken();
    vi.stubEnv('AVIARY_TOKEN', 'from-environment');
    vi.stubEnv('AVIARY_SERVER', FLEET);
    expect(await findCredentials({ context: 'lab' })).toMatchObject({ server: LAB, token: 'avt_lab' });
    expect(await findCredentials({ server: LAB, tokenFile })).toMatchObject({ server: LAB, token: 'from-file' });
    expect(await findCredentials({ tokenFile })).toMatchObject({ server: FLEET, token: 'from-file' });
  });

  it('takes the log-in at the server that is named, also where there is a data directory', async () => {
    await log('lab', LAB);
    await log('fleet', FLEET);
    await withAdminToken();
    expect(await findCredentials({ server: LAB })).toMatchObject({ server: LAB, token: 'avt_lab' });
  });

  it('sends the token of a log-in to no other server', async () => {
    await log('fleet', FLEET);
    await expect(findCredentials({ server: LAB })).rejects.toThrow(ConnectionError);
    vi.stubEnv('AVIARY_SERVER', LAB);
    await expect(findCredentials({})).rejects.toThrow('aviary login');
  });

  it('says what to do when there is no token, and what cannot be followed', async () => {
    await expect(findCredentials({})).rejects.toThrow(/found neither\. Log in with: aviary login/);
    await expect(findCredentials({ tokenFile: join(folder, 'none') })).rejects.toThrow('cannot read');
    await expect(findCredentials({ context: 'lab' })).rejects.toThrow('There is no context "lab"');
    await log('lab', LAB);
    await expect(findCredentials({ context: 'lab', server: FLEET })).rejects.toThrow('either --context or --server');
    await expect(findCredentials({ server: 'fleet.example' })).rejects.toThrow('Expected an address such as');
  });
});
