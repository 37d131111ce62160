import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { deviceRoutes, SESSION_COOKIE } from '@aviary/protocol';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { loadIdentity } from '../../apps/agent/src/identity/identity.ts';
import { joinFleet } from '../../apps/agent/src/identity/join.ts';
import { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import { openBrowser, openPage } from '../support/browser.ts';
import { handsOn } from '../support/console-hands.ts';
import { openAccount } from '../support/test-account.ts';
import type { TestFleet } from '../support/test-fleet.ts';

interface Visit {
  /** With a device that is called roof, and no board that asks. */
  readonly fleet: TestFleet;
  readonly page: Page;
  /** Who is logged in there, an admin. */
  readonly person: string;
  readonly look: (name: string) => Promise<void>;
}

/** A board that asks to join with its key alone, until somebody has decided. */
const ask = async (fleet: TestFleet, name: string): Promise<{ fingerprint: string; joined: Promise<string> }> => {
  const { caFingerprint } = await fleet.client.listJoiningKeys({});
  await mkdir(fleet.stateDirectory(name), { recursive: true });
  return new Promise((resolve, reject) => {
    const joined = joinFleet(
      fleet.stateDirectory(name),
      { url: fleet.deviceUrl, caFingerprint },
      { name, facts: exampleFacts('rpi5'), onPending: (fingerprint) => resolve({ fingerprint, joined }) },
    );
    joined.catch(reject);
  });
};

/** Shows the console to somebody who may only look. */
const asViewer = async (fleet: TestFleet, see: (page: Page) => Promise<void>): Promise<void> => {
  const { cookie } = await openAccount(fleet.client, fleet.server, 'viewer', 'vera');
  // Not another window: this Chromium is a single process, and all of its windows send the cookies of the first one.
  const browser = await openBrowser();
  try {
    const page = await openPage(browser, fleet.server);
    const value = cookie.slice(SESSION_COOKIE.length + 1);
    await page.context().addCookies([{ name: SESSION_COOKIE, value, url: fleet.server }]);
    await see(page);
  } finally {
    await browser.close();
  }
};

/** Who belongs to the fleet: boards are let in, or not, and a device is put out. Part of a visit that has begun. */
export const membershipTests = (visit: () => Visit): void => {
  const { heading, field, press, go, mark, marked } = handsOn(() => visit().page);

  it('lets a board in once all of its fingerprint was compared, and not another one; a viewer only sees it', async () => {
    const { fleet, page, look } = visit();
    await go('Devices');
    await heading('Devices').waitFor();
    await mark();
    const asking = page.getByRole('table', { name: 'Boards that ask to join' });
    expect(await asking.count()).toBe(0);
    const [porch, stray] = [await ask(fleet, 'porch'), await ask(fleet, 'stray')];
    await asking.getByText(porch.fingerprint).waitFor();
    await asking.getByText(stray.fingerprint).waitFor();
    await go('Overview');
    await page.getByText('2 boards wait for approval').waitFor();
    await page.getByRole('link', { name: 'to the devices' }).click();
    await asking.waitFor();
    await look('devices-asking');

    await asViewer(fleet, async (other) => {
      await other.goto('/devices');
      await other.getByText(porch.fingerprint).waitFor();
      await other.getByText('Letting them in needs the role operator or admin').waitFor();
      expect(await other.getByRole('button', { name: /Approve|Reject/ }).count()).toBe(0);
      await other.getByRole('link', { name: 'roof' }).click();
      const greyed = other.getByRole('button', { name: 'Revoke' });
      await greyed.hover();
      await other.getByText('Needs the role operator or admin').waitFor();
      await greyed.press('Enter');
      expect(await greyed.getAttribute('aria-disabled')).toBe('true');
      expect(await other.getByRole('dialog').count()).toBe(0);
    });

    await press('Approve porch');
    const dialog = page.getByRole('dialog');
    const shown = field('Fingerprint, as the board shows it');
    const approve = dialog.getByRole('button', { name: 'Approve' });
    await shown.fill(stray.fingerprint);
    await dialog.getByText(/^Digit \d+ differs/).waitFor();
    await look('approve-another');
    await shown.fill(porch.fingerprint.slice(0, -1));
    expect(await approve.isDisabled()).toBe(true);
    await shown.fill((porch.fingerprint.toUpperCase().match(/../g) ?? []).join(':'));
    await field('Name').fill('gate 3');
    await field('Labels').fill('site=porch');
    await field('Profile').fill('rpi');
    await approve.click();
    // At its field, and not once more below.
    await dialog.getByText(/^Expected one of the profiles/).waitFor();
    expect(await dialog.getByRole('alert').count()).toBe(0);
    await field('Profile').fill('rpi5');
    await approve.click();
    await dialog.waitFor({ state: 'hidden' });
    await press('Reject stray');
    await dialog.getByRole('button', { name: 'Reject' }).click();
    await dialog.waitFor({ state: 'hidden' });

    const deviceId = await porch.joined;
    await page.getByRole('link', { name: 'gate 3' }).waitFor();
    expect(await fleet.client.showDevice({ params: { id: deviceId } })).toMatchObject({
      name: 'gate 3',
      labels: { site: 'porch' },
      epoch: 1,
    });

    await expect(stray.joined).rejects.toMatchObject({ problem: { code: 'enrolment-rejected' } });
    await asking.waitFor({ state: 'detached' });
    expect(await marked()).toBe(true);
    const keys = 'select state, device_id as "deviceId" from joining_key order by state';
    expect(await fleet.query(keys)).toEqual([
      { state: 'ACCEPTED', deviceId },
      { state: 'REJECTED', deviceId: null },
    ]);
  });

  it('revokes a device once it was said what that does, and lets it join anew as the same', async () => {
    const { fleet, page, person, look } = visit();
    await page.getByRole('link', { name: 'roof' }).click();
    await heading('roof').waitFor();
    const identity = await loadIdentity(fleet.stateDirectory('roof'));
    const assignment = async (): Promise<unknown> => {
      const api = new DeviceApi(fleet.deviceUrl, identity);
      return api.call(deviceRoutes.assignment, {}).finally(() => api.close());
    };
    await press('Revoke');
    const dialog = page.getByRole('dialog');
    await dialog.getByText(/its live session ends within seconds/).waitFor();
    await look('device-revoke');
    await dialog.getByRole('button', { name: 'Leave it' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await assignment();
    await press('Revoke');
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await page.getByText('It is revoked').waitFor();
    await look('device-revoked');
    const revoked = `select d.presence, h.actor from device d join device_history h on h.device_id = d.id
      where d.revoked_at is not null and h.kind = 'revoked'`;
    expect(await fleet.query(revoked)).toEqual([{ presence: 'offline', actor: person }]);
    await expect(assignment()).rejects.toMatchObject({ problem: { code: 'device-revoked' } });

    await mark();
    await press('Let it join anew');
    await dialog.getByRole('button', { name: 'Make a token' }).click();
    const command = (await dialog.getByText(/aviary-agent join/).textContent()) ?? '';
    const token = /--token (\S+)/.exec(command)?.[1] ?? '';
    await look('device-anew');
    await fleet.agents.get('roof')?.stop();
    await fleet.agent('roof', 'join', '--facts', join(fleet.directory, 'roof', 'facts.json'), '--token', token);
    fleet.startAgent('roof');
    await page.getByText('It is revoked').waitFor({ state: 'detached' });
    await page.getByText('Online').first().waitFor();
    expect(await marked()).toBe(true);
    expect(await fleet.client.showDevice({ params: { id: identity.deviceId } })).toMatchObject({
      revokedAt: null,
      epoch: 2,
    });
  });
};
