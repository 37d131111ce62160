import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { handsOn } from '../support/console-hands.ts';
import type { TestFleet } from '../support/test-fleet.ts';

interface Visit {
  /** With a device that is called hall. */
  readonly fleet: TestFleet;
  readonly page: Page;
  /** Who is logged in there, an admin. */
  readonly person: string;
}

/** What is changed in a dialog that a panel opens. Part of a visit that has begun. */
export const accessTests = (visit: () => Visit): void => {
  const { heading, field, press } = handsOn(() => visit().page);

  it('makes an account in a dialog, which says what was refused, and begins anew when it is opened again', async () => {
    const { fleet, page, person } = visit();
    await page.goto('/access');
    await press('Make an account');
    const dialog = page.getByRole('dialog');
    await field('Account name').fill(person);
    await field('First password').fill('one more long password');
    await press('Make the account');
    await dialog.getByRole('alert').getByText(`There is an account "${person}" already`).waitFor();
    await press('Leave it');
    await dialog.waitFor({ state: 'detached' });

    await press('Make an account');
    expect(await field('Account name').inputValue()).toBe('');
    expect(await dialog.getByRole('alert').count()).toBe(0);
    await field('Account name').fill('otto');
    await field('First password').fill('one more long password');
    await press('Make the account');
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('table', { name: 'Accounts' }).getByText('otto', { exact: true }).waitFor();
    expect(await fleet.query(`select role from account where name = 'otto'`)).toEqual([{ role: 'viewer' }]);
  });

  it('makes a token, which is shown once and works', async () => {
    const { fleet, page } = visit();
    await press('Make a token');
    const dialog = page.getByRole('dialog');
    await field('What it is for').fill('a script');
    await press('Make the token');
    const words = (await dialog.getByText(/^AVIARY_TOKEN=/).textContent()) ?? '';
    const authorization = `Bearer ${words.replace('AVIARY_TOKEN=', '')}`;
    const answer = await fetch(`${fleet.server}/api/v1/devices`, { headers: { authorization } });
    expect(answer.status).toBe(200);
    await press('Done');
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('table', { name: 'API tokens' }).getByText('a script').waitFor();
  });

  it('labels a device', async () => {
    const { fleet, page } = visit();
    await page.goto('/devices');
    await page.getByRole('link', { name: 'hall' }).click();
    await heading('hall').waitFor();
    await press('Edit labels');
    const dialog = page.getByRole('dialog');
    await press('Add a label');
    await field('Key').last().fill('floor');
    await field('Value of floor').fill('2');
    await press('Save');
    await dialog.waitFor({ state: 'detached' });
    expect(await fleet.query(`select labels ->> 'floor' as floor from device where name = 'hall'`)).toEqual([
      { floor: '2' },
    ]);
  });
};
