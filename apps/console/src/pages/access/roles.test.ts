import { mayGrant, ROLES as WIRE_ROLES } from '@aviary/protocol';
import { expect, it } from 'vitest';
import { ROLES, rolesToGrant } from './roles.ts';

it('knows every role that there is', () => {
  expect(ROLES.map(({ value }) => value)).toEqual([...WIRE_ROLES]);
});

it.each(WIRE_ROLES)('offers a %s the roles that the control plane lets them hand on', (own) => {
  expect(rolesToGrant(own)).toEqual(WIRE_ROLES.filter((role) => mayGrant(own, role)));
});
