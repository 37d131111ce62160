import { createHash } from 'node:crypto';
import { type ApiError, adminRoutes, type Role, routeUrl } from '@aviary/protocol';
import { ageRecipientOf, generateAgeIdentity, openHeader, openPayload } from '@aviary/release';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PublishedModel, RELEASE } from '../support/published-model.ts';
import { openAccount } from '../support/test-account.ts';

// Runs the built command: npx tsc -b apps/cli
let model: PublishedModel;
beforeAll(async () => {
  model = await PublishedModel.start();
});
afterAll(() => model.stop());

describe('the way to a file key', () => {
  const recipient = ageRecipientOf(generateAgeIdentity());

  it('gives an age header for one recipient, and writes down who asked for what', async () => {
    const identity = generateAgeIdentity();
    const publisher = await openAccount(model.plane.admin, model.plane.server, 'publisher', 'ben');
    const { ageHeader } = await publisher.client.openVariant({
      params: { release: RELEASE, variant: 'plain' },
      body: { recipient: ageRecipientOf(identity) },
    });
    const { sha256, plaintextSha256 } = await model.target('plain');
    const answer = await fetch(model.plane.server + routeUrl(adminRoutes.downloadBlob, { params: { sha256 } }), {
      headers: { authorization: `Bearer ${model.token('viewer')}` },
    });
    const sealed = Buffer.from(await answer.arrayBuffer());
    const hash = createHash('sha256');
    const fileKey = openHeader(Buffer.from(ageHeader, 'base64'), identity);
    for await (const chunk of openPayload(fileKey, [sealed])) hash.update(chunk);
    expect(hash.digest('hex')).toBe(plaintextSha256);
    const { items } = await model.plane.admin.listAudit({ query: { limit: 1 } });
    expect(items).toMatchObject([
      {
        actor: 'ben',
        via: 'session',
        action: 'openVariant',
        target: RELEASE,
        detail: { variant: 'plain', recipient: ageRecipientOf(identity) },
      },
    ]);
  });

  it.each<Role>(['viewer', 'operator'])('is closed to a token of a %s, who may have the sealed bytes', async (role) => {
    const ask = (method: string, path: string, more = {}) =>
      fetch(model.plane.server + path, {
        method,
        headers: { authorization: `Bearer ${model.token(role)}`, 'content-type': 'application/json' },
        ...more,
      });
    const params = { release: RELEASE, variant: 'plain' };
    const refused = await ask('POST', routeUrl(adminRoutes.openVariant, { params }), {
      body: JSON.stringify({ recipient }),
    });
    expect(await refused.json()).toMatchObject({ status: 403, code: 'role-missing' });
    const { sha256, length } = await model.target('plain');
    const path = routeUrl(adminRoutes.downloadBlob, { params: { sha256 } });
    const part = await fetch(model.plane.server + path, {
      headers: { authorization: `Bearer ${model.token(role)}`, range: 'bytes=0-15' },
    });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 0-15/${length}`);
    expect((await part.arrayBuffer()).byteLength).toBe(16);
  });

  it('says what is wrong with what was asked for', async () => {
    const seal = (release: string, variant: string, to: string) =>
      model.plane.admin.openVariant({ params: { release, variant }, body: { recipient: to } }).then(
        () => undefined,
        (error: ApiError) => [error.problem.status, error.code],
      );
    expect(await seal('grey@9.0.0', 'plain', recipient)).toEqual([404, 'release-unknown']);
    expect(await seal(RELEASE, 'none', recipient)).toEqual([404, 'variant-unknown']);
    expect(await seal(RELEASE, 'plain', 'age1nobody')).toEqual([400, 'recipient-invalid']);
    const sha256 = createHash('sha256').update('something else in the store').digest('hex');
    await model.plane.services.blobs.put(
      sha256,
      (async function* () {
        yield Buffer.from('something else in the store');
      })(),
    );
    const answer = await fetch(model.plane.server + routeUrl(adminRoutes.downloadBlob, { params: { sha256 } }), {
      headers: { authorization: `Bearer ${model.token()}` },
    });
    expect(answer.status).toBe(404);
  });
});
