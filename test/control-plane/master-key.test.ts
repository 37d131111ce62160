import { rm, stat } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeMasterKey, generateMasterKey, keyIdOf } from '../../apps/control-plane/src/infra/master-key.ts';
import { SEALED_COLUMNS } from '../../apps/control-plane/src/infra/sealed-columns.ts';
import { SealedFleet } from '../support/sealed-fleet.ts';
import { TestDatabase } from '../support/test-database.ts';

/** Binary columns that hold nothing secret, or what is hashed. */
const NOT_SEALED = [
  'api_token.secret_hash',
  'federated_round.aggregate_update',
  'join_token.secret_hash',
  // Sealed, but under the other master key: it is what rotates.
  'master_key.wrapped',
  'round_participant.update',
  'session.secret_hash',
  'telemetry_batch.payload',
  // Signed for the whole fleet, and secret from nobody.
  'trust_file.body',
];

describe('the master key, with a real database', () => {
  const key = generateMasterKey();
  let t: TestDatabase;
  let fleet: SealedFleet;

  beforeAll(async () => {
    t = await TestDatabase.start();
  });
  afterAll(() => t.stop());
  beforeEach(async () => {
    fleet = await SealedFleet.open(t);
  });
  afterEach(() => fleet.stop());

  const refusal = async (environment: NodeJS.ProcessEnv = {}): Promise<string> => {
    const error: unknown = await fleet.services(environment).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'master-key' });
    return (error as Error).message;
  };

  it('is the same from every source', async () => {
    await fleet.putKey(key);
    const { ca, releases, trust } = await fleet.services();
    const { onlineKeys } = await trust.state();
    await rm(fleet.keyFile);
    const text = key.bytes.toString('base64');
    for (const environment of [{ AVIARY_MASTER_KEY: text }, { AVIARY_MASTER_KEY_COMMAND: `echo ${text}` }]) {
      const other = await fleet.services(environment);
      expect([other.ca.fingerprint, other.releases.recipient, (await other.trust.state()).onlineKeys]).toEqual([
        ca.fingerprint,
        releases.recipient,
        onlineKeys,
      ]);
    }
    await expect(stat(fleet.keyFile)).rejects.toThrow('ENOENT');
  });

  it('is made once by processes that start together, and each secret names it', async () => {
    const all = await Promise.all([fleet.services(), fleet.services(), fleet.services()]);
    expect(new Set(all.map(({ ca }) => ca.fingerprint)).size).toBe(1);
    const [id = '', ...others] = Object.keys(await fleet.states());
    expect(others).toEqual([]);
    const names = new Map([...(await fleet.sealed())].map(([name, sealed]) => [name, keyIdOf(sealed)]));
    expect(names.get('fleet-ca')).toBe(id);
    expect(new Set(names.values())).toEqual(new Set([id]));
  });

  it('is refused at the start when it is another, or gone, and nothing is made or changed', async () => {
    await fleet.putKey(key);
    await fleet.services();
    const before = await fleet.sealed();
    const wrong = generateMasterKey();
    await rm(fleet.keyFile);
    const words = await refusal({ AVIARY_MASTER_KEY: encodeMasterKey(wrong) });
    expect(words).toContain('in AVIARY_MASTER_KEY');
    expect(words).toContain(wrong.id);
    expect(words).toContain(key.id);
    expect(words).not.toContain(encodeMasterKey(wrong));
    expect(await refusal()).toContain('there is no such file');
    await expect(stat(fleet.keyFile)).rejects.toThrow('ENOENT');
    expect(await fleet.sealed()).toEqual(before);
    expect(await fleet.states()).toEqual({ [key.id]: 'current' });
  });

  it('does not open a value that was changed, cut, or moved to another name', async () => {
    await fleet.putKey(key);
    const { releases } = await fleet.services();
    const fileKeys = await fleet.addFileKeys(key, 'grey@1.0.0', 2);
    expect(await releases.fileKey('grey@1.0.0', 'v0')).toEqual(fileKeys.get('v0'));
    const [first, second] = [...(await fleet.sealed())].filter(([name]) => name.startsWith('file-key:'));
    const put = (sealed: Buffer | undefined) =>
      t.query(`update variant set sealed_file_key = $1 where id = 'v0'`, [sealed]);
    const changed = Buffer.from(first?.[1] ?? '');
    changed.writeUInt8(changed.readUInt8(40) ^ 1, 40);
    for (const sealed of [changed, first?.[1].subarray(0, -1), second?.[1]]) {
      await put(sealed);
      await expect(releases.fileKey('grey@1.0.0', 'v0')).rejects.toMatchObject({
        code: 'master-key',
        message: expect.stringContaining('"file-key:grey@1.0.0:v0" does not open'),
      });
    }
    await put(Buffer.alloc(60));
    await expect(releases.fileKey('grey@1.0.0', 'v0')).rejects.toThrow('does not say under which master key');
    await t.query(`update secret set sealed = (select sealed from secret where name = 'online-key:director:first')
                   where name = 'registry-identity'`);
    expect(await refusal()).toContain('"registry-identity" does not open');
  });

  describe('of a database from before secrets named their key', () => {
    const prepare = async () => {
      await fleet.putKey(key);
      const { ca } = await fleet.services();
      const fileKeys = await fleet.addFileKeys(key, 'grey@1.0.0', 250);
      await fleet.goBackInTime(key);
      return { ca, fileKeys };
    };

    it('opens all of it, also for processes that start together; from then on it is named', async () => {
      const { ca, fileKeys } = await prepare();
      const [now, other] = await Promise.all([fleet.services(), fleet.services()]);
      expect([now.ca.fingerprint, other.ca.fingerprint]).toEqual([ca.fingerprint, ca.fingerprint]);
      for (const [variant, fileKey] of fileKeys) {
        expect(await now.releases.fileKey('grey@1.0.0', variant)).toEqual(fileKey);
      }
      expect(new Set([...(await fleet.sealed()).values()].map(keyIdOf))).toEqual(new Set([key.id]));
    });

    it('is refused at the start when it is another, and nothing is changed', async () => {
      await prepare();
      const before = await fleet.sealed();
      await fleet.putKey(generateMasterKey());
      expect(await refusal()).toMatch(/does not open the secret ".*" of this database/);
      await rm(fleet.keyFile);
      expect(await refusal()).toContain('there is no such file');
      expect(await fleet.sealed()).toEqual(before);
      expect(await fleet.states()).toEqual({});
    });
  });

  it('covers every binary column of the schema that is not known to be something else', async () => {
    const columns = await t.query<{ name: string }>(
      `select c.table_name || '.' || c.column_name as name from information_schema.columns c
       join pg_class p on p.relname = c.table_name and not p.relispartition
       where c.table_schema = 'public' and c.data_type = 'bytea' and p.relkind in ('r', 'p')`,
    );
    const sealed = SEALED_COLUMNS.map(({ table, column }) => `${table}.${column}`);
    expect(columns.map(({ name }) => name).toSorted()).toEqual([...sealed, ...NOT_SEALED].toSorted());
  });
});
