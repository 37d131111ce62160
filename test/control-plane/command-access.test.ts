import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runAviary } from '../support/run-aviary.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';

// Runs the built command: npx tsc -b apps/cli
const PASSWORD = 'a long enough password';

let plane: TestAdminPlane;
/** A user's home: without a data directory, so that only a log-in opens the way. */
let home: string;

const aviary = (args: string[], input = '', environment: NodeJS.ProcessEnv = {}) =>
  runAviary(home, args, input, environment);

const asAdmin = (args: string[], input = '') =>
  aviary(args, input, { AVIARY_SERVER: plane.server, AVIARY_TOKEN: plane.services.adminToken });

const logIn = (user: string, ...more: string[]) =>
  aviary(['login', '--server', plane.server, '--user', user, ...more], `${PASSWORD}\n`);

const kept = async (): Promise<string> => readFile(join(home, '.config', 'aviary', 'contexts.json'), 'utf8');

beforeAll(async () => {
  plane = await TestAdminPlane.start();
});
afterAll(() => plane.stop());
beforeEach(async () => {
  await plane.database.clear();
  home = await mkdtemp(join(tmpdir(), 'aviary-home-'));
  return () => rm(home, { recursive: true, force: true });
});

describe('login', () => {
  it('exchanges the password for a token with the role of the account, and leaves no session open', async () => {
    await asAdmin(['user', 'add', 'ada', '--role', 'operator'], `${PASSWORD}\n`);
    const { code, stdout } = await logIn('ada', '--context', 'fleet');
    expect(code).toBe(0);
    expect(stdout).toContain(`Logged in at ${plane.server} as ada (operator), until `);
    expect(await aviary(['whoami'])).toMatchObject({
      stdout: expect.stringContaining(`ada (operator) at ${plane.server}, by the token from the context "fleet"`),
    });
    const { items } = await plane.admin.listTokens({});
    expect(items).toMatchObject([{ name: expect.stringMatching(/^aviary on /), role: 'operator', account: 'ada' }]);
    expect(await plane.database.query('select * from session')).toEqual([]);
    expect(await kept()).not.toContain(PASSWORD);
  });

  it('says what is wrong with a wrong password, and keeps nothing', async () => {
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    const { code, stderr } = await aviary(['login', '--server', plane.server, '--user', 'ada'], 'not this one\n');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^aviary: There is no account with this name and this password\..*\n$/);
    await expect(kept()).rejects.toThrow('ENOENT');
  });

  it('says how to make the first account, and that it needs a password', async () => {
    const first = await logIn('ada');
    expect(first).toMatchObject({ code: 1, stderr: expect.stringContaining('aviary user add NAME --role admin') });
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    expect(await aviary(['login', '--server', plane.server, '--user', 'ada'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Expected a password on standard input, got nothing.'),
    });
    expect(await aviary(['login', '--server', plane.server])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Expected --user NAME'),
    });
  });

  it('takes a token from standard input, and tries it first', async () => {
    const made = await plane.admin.createToken({ body: { name: 'report', role: 'viewer' } });
    const args = ['login', '--server', plane.server, '--token-stdin'];
    expect(await aviary(args, 'avt_nonsense\n')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('not known'),
    });
    await expect(kept()).rejects.toThrow('ENOENT');
    expect((await aviary(args, `${made.token}\n`)).code).toBe(0);
    expect(await aviary(['whoami'])).toMatchObject({ code: 0, stdout: expect.stringContaining('report (viewer)') });
  });

  it('again, and the token before works no more', async () => {
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    await logIn('ada');
    await logIn('ada', '--ttl', '1h');
    const { items } = await plane.admin.listTokens({});
    expect(items).toHaveLength(1);
    expect((items[0]?.expiresAt ?? 0) - Date.now()).toBeLessThanOrEqual(3_600_000);
  });
});

describe('logout', () => {
  it('revokes the token and forgets it', async () => {
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    await logIn('ada');
    expect(await aviary(['logout'])).toMatchObject({ code: 0, stdout: `Logged out ada at ${plane.server}.\n` });
    expect((await plane.admin.listTokens({})).items).toEqual([]);
    expect(await aviary(['whoami'])).toMatchObject({ code: 1, stderr: expect.stringContaining('aviary login') });
    expect((await aviary(['logout'])).code).toBe(2);
  });
});

describe('context', () => {
  it('has several log-ins side by side, and shows no token', async () => {
    for (const [name, role] of [
      ['ada', 'admin'],
      ['eve', 'viewer'],
    ] as const) {
      await plane.admin.createAccount({ body: { name, role, password: PASSWORD } });
      await logIn(name, '--context', name);
    }
    expect((await aviary(['whoami'])).stdout).toContain('eve (viewer)');
    expect((await aviary(['whoami', '--context', 'ada'])).stdout).toContain('ada (admin)');
    expect((await aviary(['context', 'use', 'ada'])).stdout).toContain('as ada (admin)');
    expect((await aviary(['whoami'])).stdout).toContain('ada (admin)');
    const list = await aviary(['context', 'list', '-o', 'json']);
    expect(JSON.parse(list.stdout)).toMatchObject([
      { name: 'ada', current: true, role: 'admin' },
      { name: 'eve', current: false, role: 'viewer' },
    ]);
    const shown = await aviary(['context', 'show']);
    expect(shown.stdout).toContain(`ada: ada (admin) at ${plane.server}`);
    expect(list.stdout + shown.stdout).not.toContain('avt_');
    expect(await aviary(['context', 'remove', 'eve'])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('revoke'),
    });
    expect((await aviary(['whoami', '--context', 'eve'])).code).toBe(2);
  });
});

describe('what is refused', () => {
  it('says which role it takes, and which one there is', async () => {
    await plane.admin.createAccount({ body: { name: 'eve', role: 'viewer', password: PASSWORD } });
    await logIn('eve');
    const { code, stderr } = await aviary(['device', 'enroll-token']);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^aviary: Expected one of the roles operator, admin .* eve has the role viewer\. Ask an admin\.\n$/,
    );
  });

  it('says which token is not taken any more, and what to do', async () => {
    await plane.admin.createAccount({ body: { name: 'eve', role: 'viewer', password: PASSWORD } });
    await logIn('eve', '--context', 'lab');
    const [token] = (await plane.admin.listTokens({})).items;
    await plane.admin.revokeToken({ params: { id: token?.id ?? '' } });
    const { code, stderr } = await aviary(['device', 'list']);
    expect(code).toBe(1);
    expect(stderr).toContain('aviary login');
    expect(stderr).toContain('The token came from the context "lab".');
  });
});

describe('user', () => {
  it('adds, lists, changes and disables accounts', async () => {
    expect(await asAdmin(['user', 'add', 'ada', '--role', 'operator'], `${PASSWORD}\n`)).toMatchObject({
      code: 0,
      stdout: 'ada (operator) can log in.\n',
    });
    expect((await asAdmin(['user', 'list'])).stdout).toMatch(/^NAME +ROLE .*\nada +operator +enabled +\d+s +never\n$/);
    expect(await asAdmin(['user', 'change', 'ada', '--role', 'publisher'])).toMatchObject({
      code: 0,
      stdout: 'ada (publisher)\n',
    });
    expect((await asAdmin(['user', 'change', 'ada', '--password'], 'another long password\n')).code).toBe(0);
    expect((await logIn('ada')).code).toBe(1);
    expect((await asAdmin(['user', 'change', 'ada', '--disable'])).stdout).toBe('ada (publisher), disabled\n');
    expect(await asAdmin(['user', 'change', 'ada', '--enable'])).toMatchObject({
      code: 0,
      stdout: 'ada (publisher)\n',
    });
  });

  it('says what is missing, what is too short, and whom there is not', async () => {
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    expect(await asAdmin(['user', 'change', 'ada'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--role'),
    });
    expect(await asAdmin(['user', 'change', 'eve', '--disable'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('aviary user list'),
    });
    expect(await asAdmin(['user', 'add', 'eve', '--role', 'viewer'], 'short\n')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('at least 12 characters'),
    });
    expect(await asAdmin(['user', 'add', 'eve', '--role', 'owner'], PASSWORD)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('viewer, operator, publisher, admin'),
    });
  });
});

describe('token', () => {
  it('is printed alone, works, and is revoked by the beginning of its id', async () => {
    const { stdout, stderr } = await asAdmin(['token', 'create', 'report', '--role', 'viewer', '--ttl', '30d']);
    expect(stdout).toMatch(/^avt_\S+\n$/);
    expect(stderr).toContain('It is not shown again.');
    const environment = { AVIARY_SERVER: plane.server, AVIARY_TOKEN: stdout.trim() };
    expect((await aviary(['whoami'], '', environment)).stdout).toContain('report (viewer)');
    const [made] = JSON.parse((await asAdmin(['token', 'list', '-o', 'json'])).stdout);
    expect((await asAdmin(['token', 'revoke', made.id.slice(0, 8)])).stdout).toBe(`${made.id} is revoked.\n`);
    expect(await aviary(['whoami'], '', environment)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('The token came from AVIARY_TOKEN.'),
    });
  });
});

describe('audit', () => {
  const change = async (times: number) => {
    for (let index = 0; index < times; index += 1) {
      await plane.admin.createToken({ body: { name: `token-${index}`, role: 'viewer' } });
    }
  };

  /** As somebody does who owns the database. */
  const tamper = async (statement: string) => {
    await plane.database.query('alter table audit_entry disable trigger audit_entry_kept');
    await plane.database.query(statement);
    await plane.database.query('alter table audit_entry enable trigger audit_entry_kept');
  };

  it('lists who changed what', async () => {
    await change(3);
    const { stdout } = await asAdmin(['audit', 'list', '--limit', '2']);
    const [header = '', first = '', ...rest] = stdout.trimEnd().split('\n');
    expect(header).toMatch(/^SEQ +AT +ACTOR +VIA +ACTION +TARGET +DETAIL$/);
    expect(first).toMatch(/^3 +\S+Z +admin-token +admin-token +createToken .*token-2/);
    expect(rest).toHaveLength(1);
    const after = JSON.parse((await asAdmin(['audit', 'list', '--after', '1', '-o', 'json'])).stdout);
    expect(after.map(({ seq }: { seq: number }) => seq)).toEqual([2, 3]);
  });

  it('verifies the chain, and says where somebody has touched it', async () => {
    expect((await asAdmin(['audit', 'verify'])).stdout).toBe('There is no entry yet.\n');
    await change(4);
    const held = await asAdmin(['audit', 'verify']);
    expect(held).toMatchObject({ code: 0, stdout: expect.stringMatching(/^4 entries hold\. .* hash [0-9a-f]{64}\n$/) });

    await tamper(`update audit_entry set actor = 'eve' where seq = 3`);
    const broken = await asAdmin(['audit', 'verify', '-o', 'json']);
    expect(broken.code).toBe(1);
    expect(JSON.parse(broken.stdout)).toMatchObject({ ok: false, entries: 2, broken: { seq: 3 } });

    await tamper(`delete from audit_entry where seq = 3`);
    expect(await asAdmin(['audit', 'verify'])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('The chain breaks at entry 3: expected entry 3, got 4: entries are missing'),
    });
  });
});
