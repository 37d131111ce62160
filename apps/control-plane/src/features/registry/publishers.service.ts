import { createHash, createPublicKey } from 'node:crypto';
import type { Database } from '../../infra/database.ts';
import { badRequest } from '../../infra/problem.ts';
import { Publisher } from './publisher.entity.ts';

/** Who may sign releases. */
export class PublishersService {
  constructor(private readonly database: Database) {}

  /**
   * Registers a public key; the same key again changes only its name.
   * @throws ProblemError `publisher-key-invalid`
   */
  async add(name: string, publicKey: string): Promise<Publisher> {
    const wanted = 'Expected the public half of a P-256 key in PEM, as aviary key init makes it';
    let canonical: string;
    try {
      const key = createPublicKey(publicKey);
      if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error(key.asymmetricKeyType);
      canonical = key.export({ format: 'pem', type: 'spki' }).toString();
    } catch (error) {
      throw badRequest(
        'publisher-key-invalid',
        `${wanted}; got something else (${error instanceof Error ? error.message : error}).`,
      );
    }
    const keyId = createHash('sha256').update(canonical).digest('hex');
    await this.database.transaction(async (sql) => {
      await sql.query(
        `insert into publisher (key_id, name, public_key) values ($1, $2, $3)
         on conflict (key_id) do update set name = excluded.name`,
        [keyId, name, canonical],
      );
      return { id: keyId };
    });
    return this.database.source.getRepository(Publisher).findOneByOrFail({ keyId });
  }

  list(): Promise<Publisher[]> {
    return this.database.source.getRepository(Publisher).find({ order: { createdAt: 'ASC', keyId: 'ASC' } });
  }
}
