import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runToEnd } from '../../apps/cli/src/demo/child-process.ts';
import { generateMasterKey, keyIdOf, type MasterKey } from '../../apps/control-plane/src/infra/master-key.ts';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { LearningFleet } from '../support/learning-fleet.ts';
import { SealedFleet } from '../support/sealed-fleet.ts';
import { TestDatabase } from '../support/test-database.ts';
import { CONTROL_PLANE } from '../support/test-fleet.ts';

const RELEASE = 'grey@1.0.0';
/** More than one transaction takes. */
const VARIANTS = 130;

/** The process is gone at this point. */
class Killed extends Error {}

const given = (key: MasterKey) => ({ AVIARY_MASTER_KEY: key.bytes.toString('base64') });

describe('a rotation of the master key, with a real database', () => {
  let oldKey: MasterKey;
  let newKey: MasterKey;
  let t: TestDatabase;
  let fleet: SealedFleet;
  let running: Services;
  let fileKeys: Map<string, Buffer>;
  /** Of all sorts: file keys, the fleet CA, the registry's identity, keys that sign. */
  let secrets: number;

  beforeAll(async () => {
    t = await TestDatabase.start();
  });
  afterAll(() => t.stop());

  /** @param environment how the processes are told the old key; by the file when nothing is named */
  const prepare = async (environment: 'file' | 'environment') => {
    [oldKey, newKey] = [generateMasterKey(), generateMasterKey()];
    fleet = await SealedFleet.open(t);
    if (environment === 'file') await fleet.putKey(oldKey);
    running = await fleet.services(environment === 'file' ? {} : given(oldKey));
    fileKeys = await fleet.addFileKeys(oldKey, RELEASE, VARIANTS);
    secrets = (await fleet.sealed()).size;
  };
  beforeEach(() => prepare('file'));
  afterEach(() => fleet.stop());

  const expectAllOpenIn = async (services: Services) => {
    for (const [variant, fileKey] of fileKeys) {
      expect(await services.releases.fileKey(RELEASE, variant)).toEqual(fileKey);
    }
  };

  const expectOnlyTheNewKeyOpens = async () => {
    const sealed = await fleet.sealed();
    expect(sealed.size).toBe(secrets);
    for (const [name, value] of sealed) {
      expect(keyIdOf(value)).toBe(newKey.id);
      expect(() => oldKey.open(name, value)).toThrow('does not open');
      expect(() => oldKey.openUnmarked(name, value)).toThrow('does not open');
      newKey.open(name, value);
    }
    expect(await t.query('select 1 from master_key where wrapped is not null')).toEqual([]);
    expect(await fleet.states()).toEqual({ [oldKey.id]: 'retired', [newKey.id]: 'current' });
  };

  it('seals everything anew, and then the old key opens nothing', async () => {
    const { fingerprint } = running.ca;
    const result = await (await fleet.rotation()).rotate(newKey, true);
    expect(result).toMatchObject({ newKeyId: newKey.id, resealed: secrets, secrets, state: 'done' });
    expect(result.oldKeyFile).toBe(`${fleet.keyFile}.${oldKey.id}`);
    await expectOnlyTheNewKeyOpens();
    expect(await readFile(fleet.keyFile, 'utf8')).toBe(newKey.bytes.toString('hex'));
    expect(await readFile(result.oldKeyFile ?? '', 'utf8')).toBe(oldKey.bytes.toString('hex'));
    expect((await fleet.services()).ca.fingerprint).toBe(fingerprint);
    await expectAllOpenIn(running);
    await fleet.putKey(oldKey);
    await expect(fleet.services()).rejects.toThrow(/was replaced on \d{4}-.* by the one with the id/);
  });

  it('goes on wherever it was killed; until its end both keys open everything, for who runs and for who starts', async () => {
    const seen: string[] = [];
    for (let killAt = 1; ; killAt += 1) {
      if (killAt > 1) await prepare('file');
      let step = 0;
      const rotation = await fleet.rotation((words) => {
        step += 1;
        if (step < killAt) return;
        seen.push(words);
        throw new Killed();
      });
      const end = await rotation.rotate(newKey, true).catch((error: unknown) => error);
      if (!(end instanceof Killed)) {
        expect(end).toMatchObject({ state: 'done' });
        break;
      }
      const isOver = (await fleet.states())[oldKey.id] === 'retired';
      for (const key of isOver ? [newKey] : [oldKey, newKey]) {
        await fleet.putKey(key);
        await expectAllOpenIn(await fleet.services());
      }
      await expectAllOpenIn(running);
      const again = await (await fleet.rotation()).rotate(newKey, true);
      expect(again).toMatchObject({ secrets, state: isOver ? 'not-begun' : 'done' });
      await expectOnlyTheNewKeyOpens();
      await fleet.stop();
    }
    // Both keys into the database, the secrets, the variants in two parts, the file, the end.
    expect(seen).toHaveLength(6);
    expect(seen.at(0)).toContain('both keys open them');
    expect(seen.at(-1)).toContain('opens nothing any more');
  });

  it('loses nothing when its connection dies within any transaction', async () => {
    const victim = await t.another();
    const statements = [
      "update master_key set state = 'previous'%",
      'insert into master_key%',
      'update secret set sealed%',
      'update variant set sealed_file_key%',
      "update master_key set state = 'retired'%",
      'update master_key set wrapped = null%',
    ];
    for (const [index, like] of statements.entries()) {
      // A trigger that kills whoever is at this statement, as the end of its process would.
      const [, verb = '', table = ''] = /^(update|insert)(?: into)? (\w+)/.exec(like) ?? [];
      await t.query(`
        create or replace function die() returns trigger language plpgsql as $$
        begin
          if current_query() like '${like.replaceAll("'", "''")}' then perform pg_terminate_backend(pg_backend_pid()); end if;
          return new;
        end $$`);
      await t.query(`create trigger die before ${verb} on ${table} for each row execute function die()`);
      const rotation = await fleet.rotation(() => {}, {}, victim);
      await expect(rotation.rotate(newKey, true)).rejects.toThrow(/terminat/i);
      await t.query(`drop trigger die on ${table}`);
      await expectAllOpenIn(running);
      const states = index < 2 ? { [oldKey.id]: 'current' } : { [oldKey.id]: 'previous', [newKey.id]: 'current' };
      expect(await fleet.states()).toEqual(states);
    }
    await (await fleet.rotation()).rotate(newKey, true);
    await expectOnlyTheNewKeyOpens();
    await victim.stop();
  });

  it('by a key from the environment ends when every process has it, and not before', async () => {
    await fleet.stop();
    await prepare('environment');
    const [before, after] = [given(oldKey), given(newKey)];
    const { fingerprint } = running.ca;
    const sleeping = await fleet.services(before);
    const result = await (await fleet.rotation(() => {}, before)).rotate(newKey, true);
    expect(result).toMatchObject({ resealed: secrets, secrets, state: 'open' });
    await expectAllOpenIn(running);
    for (const environment of [before, after]) {
      const services = await fleet.services(environment);
      expect(services.ca.fingerprint).toBe(fingerprint);
      await expectAllOpenIn(services);
    }
    await expect((await fleet.rotation(() => {}, before)).finish()).rejects.toThrow('is still the old one');
    expect(await (await fleet.rotation(() => {}, after)).finish()).toMatchObject({
      resealed: 0,
      secrets,
      state: 'done',
      retired: { id: oldKey.id },
    });
    await expectOnlyTheNewKeyOpens();
    await expectAllOpenIn(running);
    await expect(sleeping.releases.fileKey(RELEASE, 'v0')).rejects.toThrow('give this process the new one and restart');
    await expect(fleet.services(before)).rejects.toThrow('was replaced on');
    await expect((await fleet.rotation(() => {}, after)).finish()).rejects.toThrow('No rotation is under way');
  });

  it('goes to one key at a time, and back while it is under way', async () => {
    const third = generateMasterKey();
    await (await fleet.rotation()).rotate(newKey, false);
    await expect((await fleet.rotation()).rotate(third, false)).rejects.toThrow(
      `A rotation to the master key ${newKey.id} is under way`,
    );
    const back = await (await fleet.rotation()).rotate(oldKey, true);
    expect(back).toMatchObject({ newKeyId: oldKey.id, resealed: secrets, secrets, state: 'done' });
    expect(await fleet.states()).toEqual({ [oldKey.id]: 'current', [newKey.id]: 'retired' });
    await expectAllOpenIn(running);
    await expect((await fleet.rotation()).rotate(newKey, true)).rejects.toThrow('Expected a new master key');
    expect(await (await fleet.rotation()).rotate(oldKey, true)).toMatchObject({ state: 'not-begun', secrets });
  });

  it('may be run several times at once', async () => {
    const rotations = await Promise.all([fleet.rotation(), fleet.rotation(), fleet.rotation()]);
    const results = await Promise.allSettled(rotations.map((rotation) => rotation.rotate(newKey, true)));
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason.message).toMatch(/Another run|No rotation is under way/);
    }
    await expectOnlyTheNewKeyOpens();
  });

  it('misses nothing that is sealed while it goes on, however often', async () => {
    let isOver = false;
    const added: string[] = [];
    // As a request does it: sealed and written in one transaction.
    const write = async (writer: string) => {
      for (let number = 0; !isOver; number += 1) {
        const name = `${writer}-${number}`;
        await t.database.transaction(async (sql) => {
          const sealed = await ring.seal(sql, name, Buffer.from(name));
          await new Promise((resolve) => setTimeout(resolve, 5));
          await sql.query(`insert into secret values ($1, $2, '')`, [name, sealed]);
        });
        added.push(name);
      }
    };
    const ring = await fleet.ring();
    const writers = [write('one'), write('two'), write('three')];
    let last = oldKey;
    for (let round = 0; round < 5; round += 1) {
      last = generateMasterKey();
      expect(await (await fleet.rotation()).rotate(last, true)).toMatchObject({ state: 'done' });
    }
    isOver = true;
    await Promise.all(writers);
    const sealed = await fleet.sealed();
    expect([...new Set([...sealed.values()].map(keyIdOf))]).toEqual([last.id]);
    for (const name of added) expect(last.open(name, sealed.get(name) ?? Buffer.of()).toString()).toBe(name);
  });

  it('stops at a value that does not open, names it, and goes on when that is mended', async () => {
    const name = `file-key:${RELEASE}:v7`;
    const sealed = (await fleet.sealed()).get(name);
    const put = (value: Buffer | undefined) =>
      t.query(`update variant set sealed_file_key = $1 where id = 'v7'`, [value]);
    for (const damaged of [
      Buffer.concat([sealed?.subarray(0, -1) ?? Buffer.of(), Buffer.of(0, 1)]),
      Buffer.alloc(60),
    ]) {
      await put(damaged);
      await expect((await fleet.rotation()).rotate(newKey, true)).rejects.toThrow(`"${name}"`);
      expect(await fleet.states()).toEqual({ [oldKey.id]: 'previous', [newKey.id]: 'current' });
    }
    await put(sealed);
    await (await fleet.rotation()).rotate(newKey, true);
    await expectOnlyTheNewKeyOpens();
  });

  describe('as a program', () => {
    let learning: LearningFleet;
    let newKeyFile: string;
    beforeEach(async () => {
      await fleet.stop();
      await t.clear();
      await t.query('truncate master_key, secret');
      learning = await LearningFleet.open(t);
      newKeyFile = join(t.directory, 'new.key');
      newKey = generateMasterKey();
      await writeFile(newKeyFile, newKey.bytes.toString('base64'));
    });
    afterEach(() => learning.close());

    const rotate = (...args: string[]) =>
      runToEnd(CONTROL_PLANE, ['rotate-master-key', '--data', t.directory, ...args]);
    const openAll = async () => {
      const rows = await t.query<{ release: string; id: string }>('select release, id from variant');
      for (const { release, id } of rows) await learning.services.releases.fileKey(release, id);
      return rows.length;
    };

    it('works beside a control plane that publishes all the while, and is in the audit trail', async () => {
      let isOver = false;
      const publishing = (async () => {
        for (let version = 0; !isOver || version < 5; version += 1) await learning.publish(`grey@1.0.${version}`);
      })();
      const words = await rotate('--new-key-file', newKeyFile);
      isOver = true;
      await publishing;
      await learning.publish('grey@2.0.0');
      expect(await openAll()).toBeGreaterThan(5);
      expect(words).toMatch(/^Sealed anew: \d+ secrets?\. Under the master key [0-9a-f]{16} now: \d+ secrets/);
      expect(words).toMatch(
        /The old master key [0-9a-f]{16} opens nothing .*\nDestroy .*master\.key\.[0-9a-f]{16} as soon/,
      );
      expect(words).not.toContain(newKey.bytes.toString('base64'));
      const others = [...(await fleet.sealed()).values()].filter((sealed) => keyIdOf(sealed) !== newKey.id);
      expect(others).toEqual([]);
      const { items } = await learning.services.audit.list({ limit: 10 });
      expect(items).toMatchObject([
        { action: 'rotateMasterKey', via: 'command', target: newKey.id, detail: { order: 'file' } },
      ]);
    });

    it('is killed after each line that it says, and run again', async () => {
      await learning.publish('grey@1.0.0');
      const said: string[] = [];
      for (;;) {
        const lines = await new Promise<string[]>((resolve) => {
          const args = [CONTROL_PLANE, 'rotate-master-key', '--data', t.directory, '--new-key-file', newKeyFile];
          const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
          let text = '';
          child.stderr.setEncoding('utf8').on('data', (part: string) => {
            text += part;
            if (text.split('\n').some((line) => line !== '' && !said.includes(line))) child.kill('SIGKILL');
          });
          child.once('close', () => resolve(text.split('\n').filter(Boolean)));
        });
        await openAll();
        const fresh = lines.filter((line) => !said.includes(line));
        if (fresh.length === 0) break;
        said.push(...fresh);
      }
      expect(await rotate('--new-key-file', newKeyFile)).toContain('is the master key already');
      const others = [...(await fleet.sealed()).values()].filter((sealed) => keyIdOf(sealed) !== newKey.id);
      expect(others).toEqual([]);
    });

    it.each([
      [['--new-key-file', '/nowhere/new.key'], '/nowhere/new.key, and there is no such file'],
      [['--new-key-command', 'openssl rand -base64 32'], 'prints another key each time'],
      [['--new-key-command', 'cat /nowhere'], 'has failed (exit code 1)'],
      [['--finish'], 'No rotation is under way'],
      [['--data', '/nowhere', '--finish'], 'there is no database in /nowhere'],
    ])('refuses %j', async (args, words) => {
      const before = await fleet.sealed();
      await expect(rotate(...args)).rejects.toThrow(words);
      expect(await fleet.sealed()).toEqual(before);
    });
  });
});
