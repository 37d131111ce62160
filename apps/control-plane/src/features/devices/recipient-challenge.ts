import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { EnrollChallenge, EnrollRequest } from '@aviary/protocol';
import { AgeError, createHeader, FILE_KEY_BYTES } from '@aviary/release';
import { badRequest } from '../../infra/problem.ts';
import type { SecretStore } from '../../infra/secret-store.ts';

const LIFETIME_MS = 5 * 60_000;
const SALT_BYTES = 16;
/** Room for the clocks of several `api` processes, which may answer the two halves. */
const SKEW_MS = 60_000;

type Subject = Pick<EnrollRequest, 'csr' | 'recipient'>;

/**
 * Proves that whoever joins can open what is sealed to the age recipient that it names. What is sealed follows from a
 * secret and from what is asked, so that nothing has to be kept between the two halves, whichever process answers them.
 */
export class RecipientChallenge {
  private constructor(private readonly key: Buffer) {}

  static async open(secrets: SecretStore): Promise<RecipientChallenge> {
    const { secret } = await secrets.getOrCreate('enrollment-challenge', async () => ({
      secret: randomBytes(32),
      publicPart: '',
    }));
    return new RecipientChallenge(secret);
  }

  /** @throws ProblemError `recipient-invalid` */
  make(subject: Subject): EnrollChallenge {
    const salt = randomBytes(SALT_BYTES).toString('base64url');
    const expiresAt = Date.now() + LIFETIME_MS;
    try {
      const header = createHeader(this.answer(subject, salt, expiresAt), subject.recipient);
      return { header: header.toString('base64'), salt, expiresAt };
    } catch (error) {
      if (!(error instanceof AgeError)) throw error;
      throw badRequest('recipient-invalid', `Expected an age recipient (age1…), got another text: ${error.message}.`);
    }
  }

  /** @throws ProblemError `recipient-unproved` */
  check(subject: Subject, { salt, expiresAt, answer }: EnrollRequest['proof']): void {
    const now = Date.now();
    const given = Buffer.from(answer, 'base64url');
    const wanted = this.answer(subject, salt, expiresAt);
    const right = given.length === wanted.length && timingSafeEqual(given, wanted);
    if (right && now < expiresAt && expiresAt <= now + LIFETIME_MS + SKEW_MS) return;
    throw badRequest(
      'recipient-unproved',
      right
        ? 'The challenge has expired. Ask for a new one.'
        : 'Expected the answer to a challenge for this very request and recipient, got another one. A recipient is taken only from who can open what is sealed to it.',
    );
  }

  private answer({ csr, recipient }: Subject, salt: string, expiresAt: number): Buffer {
    const whole = JSON.stringify(['enrol', csr, recipient, salt, expiresAt]);
    return createHmac('sha256', this.key).update(whole).digest().subarray(0, FILE_KEY_BYTES);
  }
}
