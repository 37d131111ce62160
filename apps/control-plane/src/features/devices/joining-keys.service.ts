import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import type { DeviceFacts } from '@aviary/hardware';
import type { JoiningKey, Labels } from '@aviary/protocol';
import { type Database, millisecondsOf, type Sql } from '../../infra/database.ts';
import { badRequest, conflict, notFound, ProblemError, TryLaterError } from '../../infra/problem.ts';
import type { DevicesService } from './devices.service.ts';
import type { Admission } from './join-tokens.service.ts';

/** Strangers can make any number of keys: so many may wait for a person, in all and from one address. */
const MOST_WAITING = { all: 1_000, address: 50 } as const;
/** New ones from one address within a minute. */
const MOST_NEW = 10;
/** Asking anew is what keeps a pending key, and what an approved one is waited for. */
const KEPT_S = 86_400;
/** A board asks every few seconds; one that asks without a pause is not answered. */
const SHORTEST_PAUSE_S = 1;
const MOST_LISTED = 1_000;
/** Any number that is ours: the lock under which waiting keys are counted. */
const COUNT_LOCK = 7_245_502;

const KEY = `
  select k.fingerprint, k.state, coalesce(k.name, k.claimed_name) as name, k.profile, k.claimed_facts as facts, k.address,
    ${millisecondsOf('k.created_at')} as "createdAt", ${millisecondsOf('k.asked_at')} as "askedAt",
    ${millisecondsOf('k.expires_at')} as "expiresAt", k.device_id as "deviceId"
  from joining_key k`;

const WAITING = `
  select count(*) filter (where state = 'PENDING')::integer as "all",
    count(*) filter (where state = 'PENDING' and address = $1)::integer as address,
    count(*) filter (where address = $1 and created_at > now() - interval '1 minute')::integer as fresh
  from joining_key`;

const PREAUTHORIZE = `
  insert into joining_key as k (fingerprint, state, name, labels, profile, expires_at)
  values ($1, 'PREAUTHORIZED', $2, $3, $4, now() + make_interval(secs => $5))
  on conflict (fingerprint) do update set state = 'PREAUTHORIZED', name = $2, labels = $3, profile = $4,
    expires_at = now() + make_interval(secs => $5)
  where k.device_id is null
  returning fingerprint`;

const APPROVE = `
  update joining_key set state = 'ACCEPTED', name = $2, labels = $3, profile = $4,
    expires_at = now() + make_interval(secs => ${KEPT_S})
  where fingerprint = $1 and state in ('PENDING', 'REJECTED') and expires_at > now() returning fingerprint`;

const REJECT = `
  update joining_key set state = 'REJECTED', expires_at = now() + make_interval(secs => ${KEPT_S})
  where fingerprint = $1 and device_id is null and expires_at > now() returning fingerprint`;

/** A board that asks to join with its key alone. All but the fingerprint is its own word. */
export interface Asking {
  readonly fingerprint: string;
  readonly name: string;
  readonly facts: DeviceFacts;
  /** From where it asks. */
  readonly address: string;
}

/** What a person gives a key, and demands of it. */
export interface Terms {
  readonly name?: string | undefined;
  readonly labels: Labels;
  readonly profile?: string | undefined;
}

type KeyRow = JoiningKey & { readonly facts: DeviceFacts | null };

interface KnownKey {
  readonly state: JoiningKey['state'];
  readonly soon: boolean;
}

/** Keys that join without a token: those that a person has named before, and those that wait for a person's yes. */
export class JoiningKeysService {
  constructor(
    private readonly database: Database,
    private readonly devices: DevicesService,
  ) {}

  /** Lets the holder of a public key join once. @throws ProblemError `public-key-invalid`, `profile-unknown`, `key-used` */
  async preauthorize(publicKey: string, ttlSeconds: number, terms: Terms): Promise<JoiningKey> {
    const fingerprint = fingerprintOf(publicKey);
    await this.database.transaction(async (sql) => {
      const made = await sql.query(PREAUTHORIZE, [fingerprint, ...this.columnsOf(terms), ttlSeconds]);
      if (made.length === 0) throw await this.usedKey(sql, fingerprint);
      return { id: fingerprint };
    });
    return this.show(fingerprint);
  }

  /** @throws ProblemError `key-unknown`, `profile-unknown` */
  async approve(fingerprint: string, terms: Terms): Promise<JoiningKey> {
    const columns = this.columnsOf(terms);
    await this.database.transaction(async (sql) => {
      const approved = await sql.query(APPROVE, [fingerprint, ...columns]);
      if (approved.length === 0) throw unknownKey(fingerprint);
    });
    return this.show(fingerprint);
  }

  /** @throws ProblemError `key-unknown` */
  async reject(fingerprint: string): Promise<JoiningKey> {
    await this.database.transaction(async (sql) => {
      const rejected = await sql.query(REJECT, [fingerprint]);
      if (rejected.length === 0) throw unknownKey(fingerprint);
    });
    return this.show(fingerprint);
  }

  /** Those that count, newest first. */
  async list(): Promise<JoiningKey[]> {
    const rows = await this.database.query<KeyRow>(
      `${KEY} where k.expires_at > now() order by k.created_at desc, k.fingerprint limit ${MOST_LISTED}`,
    );
    return rows.map((row) => this.viewOf(row));
  }

  /**
   * Puts a key before a person, or finds that it may join. Not in the caller's transaction: that it has asked stays.
   * @throws ProblemError `enrolment-pending` until somebody has decided, `enrolment-rejected`; TryLaterError
   */
  async ask(asking: Asking): Promise<void> {
    const state = await this.database.transaction((sql) => this.note(sql, asking));
    if (state === 'PENDING') {
      throw new ProblemError(
        403,
        'enrolment-pending',
        `The key ${asking.fingerprint} waits for approval. Approve it with: aviary device approve ${asking.fingerprint}`,
      );
    }
    if (state === 'REJECTED') {
      throw new ProblemError(
        403,
        'enrolment-rejected',
        `The key ${asking.fingerprint} was rejected. Ask who runs the fleet.`,
      );
    }
  }

  /**
   * What a key that may join gets, in the caller's transaction. One that has joined and was never heard of again joins
   * again as the same device: the answer to it was lost.
   * @throws ProblemError `key-used`
   */
  async use(sql: Sql, fingerprint: string): Promise<Admission> {
    const [key] = await sql.query<Admission & { seen: boolean }>(
      `select k.name, k.labels, k.profile, k.device_id as "deviceId",
         d.certificate_seen_at is not null or d.revoked_at is not null as seen
       from joining_key k left join device d on d.id = k.device_id
       where k.fingerprint = $1 and k.state in ('PREAUTHORIZED', 'ACCEPTED') for update of k`,
      [fingerprint],
    );
    if (key === undefined) throw unknownKey(fingerprint);
    const { seen, ...admission } = key;
    if (admission.deviceId !== null && seen) throw await this.usedKey(sql, fingerprint);
    return admission;
  }

  /** Notes who a key became, in the caller's transaction. */
  async used(sql: Sql, fingerprint: string, deviceId: string): Promise<void> {
    await sql.query('update joining_key set device_id = $2 where fingerprint = $1', [fingerprint, deviceId]);
  }

  private async note(sql: Sql, { fingerprint, name, facts, address }: Asking): Promise<JoiningKey['state']> {
    await sql.query('delete from joining_key where expires_at < now()');
    const [known] = await sql.query<KnownKey>(
      `select state, coalesce(asked_at > now() - interval '${SHORTEST_PAUSE_S} s', false) as soon
       from joining_key where fingerprint = $1 for update`,
      [fingerprint],
    );
    const claims = [fingerprint, name, JSON.stringify(facts), address];
    if (known === undefined) {
      await this.demandRoom(sql, address);
      await sql.query(
        `insert into joining_key (fingerprint, state, claimed_name, claimed_facts, address, asked_at, expires_at)
         values ($1, 'PENDING', $2, $3, $4, now(), now() + make_interval(secs => ${KEPT_S})) on conflict do nothing`,
        claims,
      );
      return 'PENDING';
    }
    if (known.state === 'PENDING' || known.state === 'REJECTED') {
      if (known.state === 'PENDING' && known.soon)
        throw new TryLaterError('asked-too-soon', 'Asked again without a pause. Ask every few seconds.', 5);
      await sql.query(
        `update joining_key set claimed_name = $2, claimed_facts = $3, address = $4, asked_at = now(),
           expires_at = now() + make_interval(secs => ${KEPT_S}) where fingerprint = $1`,
        claims,
      );
    }
    return known.state;
  }

  private async demandRoom(sql: Sql, address: string): Promise<void> {
    await sql.query('select pg_advisory_xact_lock($1)', [COUNT_LOCK]);
    const [waiting] = await sql.query<{ all: number; address: number; fresh: number }>(WAITING, [address]);
    if (waiting === undefined) throw new Error('a query without a condition answers one row');
    if (waiting.all >= MOST_WAITING.all || waiting.address >= MOST_WAITING.address || waiting.fresh >= MOST_NEW) {
      throw new TryLaterError(
        'too-many-pending',
        'Too many boards wait for approval. Approve or reject some (aviary device pending), or join with a token.',
        60,
      );
    }
  }

  private async show(fingerprint: string): Promise<JoiningKey> {
    const [row] = await this.database.query<KeyRow>(`${KEY} where k.fingerprint = $1`, [fingerprint]);
    if (row === undefined) throw unknownKey(fingerprint);
    return this.viewOf(row);
  }

  private viewOf({ facts, ...key }: KeyRow): JoiningKey {
    if (key.state !== 'PENDING' || facts === null) return key;
    return { ...key, profile: this.devices.match(facts).profile?.id ?? null };
  }

  private columnsOf({ name, labels, profile }: Terms): unknown[] {
    if (profile !== undefined) this.devices.demandProfile(profile);
    return [name ?? null, JSON.stringify(labels), profile ?? null];
  }

  private async usedKey(sql: Sql, fingerprint: string): Promise<ProblemError> {
    const [row] = await sql.query<{ deviceId: string }>(
      'select device_id as "deviceId" from joining_key where fingerprint = $1',
      [fingerprint],
    );
    return conflict(
      'key-used',
      `This key has joined already, as device ${row?.deviceId}. To let that one join again: aviary device enroll-token --device ${row?.deviceId}`,
    );
  }
}

/** @throws ProblemError `public-key-invalid` */
const fingerprintOf = (pem: string): string => {
  const wanted = 'Expected the public key that "aviary-agent key" prints (PEM, P-256)';
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw badRequest('public-key-invalid', `${wanted}; this does not parse.`);
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw badRequest('public-key-invalid', `${wanted}; got a key of another kind (${key.asymmetricKeyType}).`);
  }
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
};

const unknownKey = (fingerprint: string) =>
  notFound('key', fingerprint, 'List those that wait with: aviary device pending');
