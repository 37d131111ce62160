import { adminRoutes, CSRF_HEADER, ROLES, type Role, type Route, routeUrl, SESSION_COOKIE } from '@aviary/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestAdminPlane } from '../support/test-admin-plane.ts';

/** Whoever opens another route to everybody says so here. */
const PUBLIC = ['showSetup', 'setUp', 'logIn'];

const ROUTES: [string, Route][] = Object.entries<Route>(adminRoutes);

type Headers = Record<string, string>;

let plane: TestAdminPlane;
const accounts = new Map<Role | 'disabled', string>();
const tokens = new Map<Role | 'expired' | 'revoked' | 'disabled', string>();

beforeAll(async () => {
  plane = await TestAdminPlane.start();
  const { admin, database } = plane;
  for (const role of ROLES) {
    accounts.set(role, (await admin.createAccount({ body: { name: role, role, password: 'a long password' } })).id);
    tokens.set(role, (await admin.createToken({ body: { name: role, role } })).token);
  }
  const disabled = await admin.createAccount({
    body: { name: 'disabled', role: 'admin', password: 'a long password' },
  });
  accounts.set('disabled', disabled.id);
  for (const name of ['expired', 'revoked', 'disabled'] as const) {
    const { id, token } = await admin.createToken({ body: { name, role: 'admin' } });
    tokens.set(name, token);
    if (name === 'expired') await database.query('update api_token set expires_at = now() where id = $1', [id]);
    if (name === 'revoked') await admin.revokeToken({ params: { id } });
    if (name === 'disabled') {
      await database.query('update api_token set account_id = $2 where id = $1', [id, disabled.id]);
    }
  }
  await admin.changeAccount({ params: { id: disabled.id }, body: { disabled: true } });
});
afterAll(() => plane.stop());

const bearer = (name: Role | 'expired' | 'revoked' | 'disabled'): Headers => ({
  authorization: `Bearer ${tokens.get(name)}`,
});

/** A session of its own for each request: one of them ends it. */
const session = async (name: Role | 'disabled'): Promise<Headers> => {
  const role = name === 'disabled' ? 'admin' : name;
  const { secret, caller } = await plane.services.database.transaction((sql) =>
    plane.services.sessions.open(sql, { id: accounts.get(name) ?? '', name, role }),
  );
  return { cookie: `${SESSION_COOKIE}=${secret}`, [CSRF_HEADER]: caller.csrfToken ?? '' };
};

/** Asks with a path that fits and a body that mostly does not: who may ask is decided before what was asked. */
const ask = async (route: Route, headers: Headers): Promise<{ status: number; code?: string; detail?: string }> => {
  const params = Object.fromEntries([...route.path.matchAll(/:(\w+)/g)].map(([, name]) => [name, 'x']));
  const stop = new AbortController();
  const answer = await fetch(plane.server + routeUrl(route, { params }), {
    method: route.method,
    headers: { ...(route.method === 'GET' ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(route.method === 'GET' ? {} : { body: '{}' }),
    signal: stop.signal,
  });
  const isProblem = answer.headers.get('content-type')?.startsWith('application/problem+json') === true;
  const problem = isProblem ? JSON.parse(await answer.text()) : {};
  // Events go on for ever.
  stop.abort();
  return { status: answer.status, code: problem.code, detail: problem.detail };
};

describe('who may call what', () => {
  it('every route says it, and nothing is open that is not meant to be', () => {
    const open = ROUTES.filter(([, { access }]) => access === 'public').map(([name]) => name);
    expect(open.sort()).toEqual([...PUBLIC].sort());
    for (const [name, { access }] of ROUTES) {
      if (access === 'public') continue;
      expect(Array.isArray(access) && access.length > 0, `${name} says who may call it`).toBe(true);
      expect(access, `${name} is not kept from admins`).toContain('admin');
    }
  });

  describe.each(ROUTES)('%s', (_, route) => {
    const allowed = route.access === 'public' ? ROLES : ROLES.filter((role) => route.access.includes(role));
    const forbidden = ROLES.filter((role) => !allowed.includes(role));

    it('is mounted, and lets in who may', async () => {
      const proofs = await Promise.all(allowed.flatMap((role) => [session(role), bearer(role)]));
      for (const proof of [...proofs, { authorization: `Bearer ${plane.services.adminToken}` }]) {
        const { status, code } = await ask(route, proof);
        expect([401, 403], `${JSON.stringify(proof)} got ${code}`).not.toContain(status);
        expect(code).not.toBe('route-unknown');
        expect(status, code).toBeLessThan(500);
      }
    });

    if (forbidden.length > 0) {
      it(`is closed to ${forbidden.join(', ')}`, async () => {
        for (const role of forbidden) {
          for (const proof of [await session(role), bearer(role)]) {
            const { status, code, detail } = await ask(route, proof);
            expect({ status, code }).toEqual({ status: 403, code: 'role-missing' });
            expect(detail).toContain(`has the role ${role}`);
            expect(detail).toContain('admin');
          }
        }
      });
    }

    if (route.access !== 'public') {
      it('is closed to who proves nothing', async () => {
        const proofs: Headers[] = [
          {},
          { cookie: `${SESSION_COOKIE}=` },
          { cookie: `${SESSION_COOKIE}=${'x'.repeat(43)}` },
          { authorization: 'Bearer' },
          { authorization: `Bearer avt_${'x'.repeat(43)}` },
          { authorization: `Bearer ${plane.services.adminToken}x` },
          { authorization: `Basic ${btoa('admin:a long password')}` },
          bearer('expired'),
          bearer('revoked'),
          bearer('disabled'),
          await session('disabled'),
        ];
        for (const proof of proofs) {
          const { status, code } = await ask(route, proof);
          expect({ status, code }, JSON.stringify(proof)).toEqual({ status: 401, code: 'not-authorized' });
        }
      });
    }
  });
});
