import { adminRoutes, type Route } from '@aviary/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { describeChange } from './audit-detail.ts';

const route = (parts: Partial<Route>): Route => ({
  method: 'POST',
  path: '/',
  summary: '',
  tag: '',
  access: ['admin'],
  ...parts,
});

const nothing = { params: {}, query: {}, body: {} };
const secret = z.string().meta({ format: 'password' });

describe('the audit detail', () => {
  it('names the first parameter as the target, and keeps the others', () => {
    const asked = { ...nothing, params: { id: '0ee44a5c-a5b1-4b12-8c39-61cb2ad1b4a2', action: 'pause' } };
    expect(describeChange(adminRoutes.actOnRollout, asked)).toEqual({
      target: asked.params.id,
      detail: { action: 'pause' },
    });
  });

  it('leaves out what the schema calls secret, wherever it is, and what no schema knows', () => {
    const body = z.object({
      name: z.string(),
      password: secret.optional(),
      inner: z.object({ code: secret.nullable() }).default({ code: null }),
    });
    const asked = { ...nothing, body: { name: 'ada', password: 'p', inner: { code: 'c' }, other: 'o' } };
    expect(describeChange(route({ body }), asked).detail).toEqual({
      name: 'ada',
      password: '(secret)',
      inner: { code: '(secret)' },
    });
  });

  it('every field of the API that sounds like a secret is marked as one', () => {
    const sounding = /password|secret|code|current|next|token|private/i;
    const found: string[] = [];
    for (const [name, { body, changesNothing }] of Object.entries<Route>(adminRoutes)) {
      if (!(body instanceof z.ZodObject) || changesNothing === true) continue;
      for (const field of Object.keys(body.shape).filter((key) => sounding.test(key))) {
        found.push(`${name}.${field}`);
        const { detail } = describeChange(route({ body: z.object({ [field]: body.shape[field] }) }), {
          ...nothing,
          body: { [field]: 'a value that is long enough' },
        });
        expect(detail, `${name}.${field} has no format "password"`).toEqual({ [field]: '(secret)' });
      }
    }
    expect(found).toContain('setUp.code');
    expect(found).toContain('changePassword.next');
  });

  it('shortens what is long', () => {
    const body = z.record(z.string(), z.unknown());
    const asked = { text: 'x'.repeat(1000), many: Array.from({ length: 100 }, (_, index) => index) };
    const { detail } = describeChange(route({ body }), { ...nothing, body: asked });
    expect(detail.text).toBe(`${'x'.repeat(256)}… (1000 characters)`);
    expect(detail.many).toHaveLength(33);
    expect((detail.many as unknown[]).at(-1)).toBe('… (68 more)');
  });

  it('is never long, and always text that PostgreSQL keeps', () => {
    const body = z.record(z.string(), z.unknown());
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ stringUnit: 'binary', maxDepth: 8 })),
        (asked) => {
          const text = JSON.stringify(describeChange(route({ body }), { ...nothing, body: asked }).detail);
          expect(text.length).toBeLessThan(16_384);
          expect(text).not.toContain('\\u0000');
          expect(text).not.toMatch(/\\ud[89a-f]/i);
        },
      ),
      { numRuns: 40 },
    );
    const wide = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`k${index}`, '\0'.repeat(3000)]));
    const { detail } = describeChange(route({ body }), { ...nothing, body: { wide, more: wide } });
    expect(JSON.stringify(detail).length).toBeLessThan(16_384);
    expect(detail).toHaveProperty('beginning');
  });
});
