import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { inspect } from '../../apps/cli/src/demo/inspector.ts';
import { setUpAddress } from '../../apps/control-plane/src/features/access/set-up-code.ts';
import { inBothThemes, openBrowser, openPage, takePicture, watchErrors } from '../support/browser.ts';
import { handsOn } from '../support/console-hands.ts';
import { TestFleet, until } from '../support/test-fleet.ts';
import { accessTests } from './browser-access.ts';
import { membershipTests } from './browser-membership.ts';

// The console in a real Chromium, against a real control plane with real agents, in the order in which a person meets it.

const ACCOUNT = { name: 'ada', password: 'a long enough password' };
const NAMES = ['door', 'hall', 'yard', 'roof'];
const PICTURES = 20;

let fleet: TestFleet;
let browser: Browser;
let page: Page;
let errors: string[];
const findings: string[] = [];

const look = async (name: string): Promise<void> => {
  findings.push(...(await inBothThemes(page, name)));
};
const { heading, field, press, go, section, mark, marked, fillRollout } = handsOn(() => page);
const wave = (number: number, words: RegExp) =>
  page.getByRole('img', { name: new RegExp(`^wave ${number}, ${words.source}`) });

beforeAll(async () => {
  fleet = await TestFleet.start();
  browser = await openBrowser();
  page = await openPage(browser, fleet.server);
  errors = watchErrors(page);
  await Promise.all(NAMES.map((name, index) => fleet.addDevice(name, index === 3 ? 'x86-64' : 'rpi4', true)));
  await fleet.push({ version: '1.0.0', manner: 'sure', trainable: true });
  await fleet.push({ version: '1.1.0', manner: 'sure', trainable: true });
  await fleet.push({ version: '1.2.0', manner: 'unsure' });
  expect((await fleet.ended(await fleet.rollOut('1.0.0'), 120)).state).toBe('FINISHED');
}, 240_000);
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await takePicture(page, `failed, ${task.name.replaceAll('/', ' ')}`);
});
afterAll(async () => {
  await browser.close();
  await fleet.stop();
});

describe('the console', () => {
  it('is set up by the first visitor who has the code, and by nobody else', async () => {
    await page.goto('/');
    await heading('Set up').waitFor();
    await look('set-up');
    await field('Set-up code').fill('0000-0000-0000-0000');
    await field('Account name').fill(ACCOUNT.name);
    await field('Password').fill(ACCOUNT.password);
    await field('Password once more').fill(ACCOUNT.password);
    await press('Make the account');
    await page
      .getByText(/Expected the set-up code/)
      .first()
      .waitFor();
    const token = (await readFile(join(fleet.data, 'admin.token'), 'utf8')).trim();
    await page.goto('about:blank');
    await page.goto(setUpAddress(fleet.server, token));
    await field('Account name').fill(ACCOUNT.name);
    await field('Password').fill(ACCOUNT.password);
    await field('Password once more').fill(ACCOUNT.password);
    await press('Make the account');
    await heading('Overview').waitFor();
  });

  it('lets nobody in with a wrong password, and says so', async () => {
    await page.getByRole('button', { name: ACCOUNT.name }).click();
    await page.getByRole('menuitem', { name: 'Log out' }).click();
    await heading('Log in').waitFor();
    await field('Account').fill(ACCOUNT.name);
    await field('Password').fill('not the password');
    await press('Log in');
    await page.getByText('You are not logged in').waitFor();
    await look('log-in-refused');
    await field('Password').fill(ACCOUNT.password);
    await press('Log in');
    await heading('Overview').waitFor();
    await page.getByText(/live/i).first().waitFor();
    await look('overview');
  });

  it('shows the devices, keeps a filter in the address, and says where a selector is wrong', async () => {
    await go('Devices');
    await heading('Devices').waitFor();
    const table = page.getByRole('table', { name: 'Devices' });
    await until('all devices in the table', 20, async () =>
      (await table.getByRole('row').count()) === NAMES.length + 1 ? true : undefined,
    );
    await look('devices');
    await page.goto('/devices?selector=profile%3Dx86-64');
    await table.getByRole('link', { name: 'roof' }).waitFor();
    expect(await table.getByRole('row').count()).toBe(2);
    await page.goto('/devices?selector=profile%20%3D%3D%3D%20x86-64');
    await page.getByText('^').first().waitFor();
  });

  it('shows a device at work, live, and why it runs what it runs', async () => {
    await page.goto('/devices?selector=profile%3Dx86-64');
    await page.getByRole('link', { name: 'roof' }).click();
    await heading('roof').waitFor();
    await page.getByText(/newest report/).waitFor();
    expect(await page.getByText('onnx-fp32').count()).toBeGreaterThan(0);
    await look('device');
  });

  it('starts a rollout by its form, whose waves move before one’s eyes; it is paused and resumed', async () => {
    await fillRollout('grey@1.1.0', ['1', '100%']);
    await field('Target').fill('site == = test');
    await section('Shadow').click();
    await page.getByRole('switch', { name: 'Run in shadow first' }).check();
    await field('Ends after').fill('soon');
    await section('Shadow').click();
    await field('Ends after').waitFor({ state: 'hidden' });
    await press('Dry run');
    await page.getByText('^').first().waitFor();
    // What is wrong is shown where it stands, also in a part that was closed.
    await page
      .locator('form')
      .getByText(/expected a duration such as .* got "soon"/)
      .first()
      .waitFor();
    await field('Ends after').waitFor();
    await look('new-rollout-wrong');
    await field('Target').fill('site=test');
    await field('Ends after').fill('20s');
    await field('or after … frames').fill('20');
    await field('Agrees on at least').fill('50%');
    await section('Window and consent').click();
    await field('Opens at').fill('* * * * *');
    await field('Open for').fill('5m');
    await field('Time zone').fill('UTC');
    await press('Dry run');
    await page
      .getByText(/4 devices/)
      .first()
      .waitFor();
    await look('new-rollout');
    await press('Start');
    await heading(/^Rollout /).waitFor();
    await mark();
    await press('Pause');
    await page
      .getByText('PAUSED')
      .or(page.getByText('paused', { exact: true }))
      .first()
      .waitFor();
    await look('rollout-paused');
    await press('Resume');
    await wave(1, /passed/).waitFor({ timeout: 60_000 });
    await wave(2, /passed/).waitFor({ timeout: 60_000 });
    expect(await marked()).toBe(true);
    await look('rollout-finished');
    await fleet.allRun('grey@1.1.0');
    const id = page.url().slice(page.url().lastIndexOf('/') + 1);
    const { spec } = await fleet.client.showRollout({ params: { id } });
    expect(spec).toMatchObject({
      strategy: {
        shadow: { seconds: 20, frames: 20, every: 1, minAgreement: 0.5 },
        window: { cron: '* * * * *', duration: 300, zone: 'UTC' },
      },
    });
    const { items } = await fleet.client.listExecutions({ params: { id } });
    expect(items.map(({ shadow }) => shadow?.verdict)).toEqual(NAMES.map(() => 'agrees'));
  });

  it('shows a bad release being stopped and taken back', async () => {
    await fillRollout('grey@1.2.0', ['1', '100%']);
    await press('Dry run');
    await page
      .getByText(/4 devices/)
      .first()
      .waitFor();
    await press('Start');
    await heading(/^Rollout /).waitFor();
    await mark();
    await wave(1, /failed/).waitFor({ timeout: 60_000 });
    await page
      .getByText(/low confidence on/)
      .first()
      .waitFor();
    await page
      .getByText(/rolled back/i)
      .first()
      .waitFor({ timeout: 60_000 });
    expect(await marked()).toBe(true);
    await look('rollout-rolled-back');
    await fleet.allRun('grey@1.1.0');
  });

  it('shows a federated round to its candidate', async () => {
    const [, ...lines] = (await readFile(join(fleet.directory, 'door', 'pictures', 'labels.csv'), 'utf8'))
      .trim()
      .split('\n');
    const answers = new Map(lines.map((line) => line.split(',') as [string, string]));
    const patience = AbortSignal.timeout(60_000);
    await Promise.all(NAMES.map((name) => inspect(fleet.socketOf(name), answers, PICTURES, patience)));
    await until('samples on every device', 30, async () => {
      const devices = await fleet.devices();
      return devices.every(({ learning }) => (learning?.samples ?? 0) >= PICTURES) ? true : undefined;
    });
    await go('Federation');
    await heading('Federation').waitFor();
    await look('federation-empty');
    await page.goto('/federation/new?release=grey%401.1.0');
    await heading('New round').waitFor();
    await field('Goal').fill('3');
    await field('Samples').fill(String(PICTURES));
    await press('Look');
    await page
      .getByText(/could take part/)
      .first()
      .waitFor();
    await look('new-round');
    await press('Start');
    await heading(/^Round /).waitFor();
    await mark();
    await page
      .getByText(/committed/i)
      .first()
      .waitFor({ timeout: 90_000 });
    await page
      .getByText(/aviary fed candidate/)
      .first()
      .waitFor();
    expect(await marked()).toBe(true);
    await look('round-committed');
    await fleet.aviary(
      ...['fed', 'candidate', 'last', '--from', join(fleet.directory, 'grey-1.1.0'), '--version', '1.3.0'],
      ...['--out', join(fleet.directory, 'grey-1.3.0'), '--push', '--key', fleet.keyPath],
    );
    await page.getByRole('link', { name: 'grey@1.3.0' }).first().waitFor();
    expect(await marked()).toBe(true);
  });

  it('shows the models, and where a release comes from', async () => {
    await go('Models');
    await heading('Models').waitFor();
    await page
      .getByRole('link', { name: /1\.3\.0/ })
      .first()
      .waitFor();
    await look('models');
    await page.goto('/models/grey%401.3.0');
    await page
      .getByText(/grey@1\.1\.0/)
      .first()
      .waitFor();
    await look('release');
  });

  it('keeps what was typed when the session ends in the middle of a form', async () => {
    await fillRollout('grey@1.3.0', ['50%', '100%']);
    await page.context().clearCookies();
    await press('Dry run');
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    await look('log-in-dialog');
    await dialog.getByRole('textbox', { name: 'Password' }).fill(ACCOUNT.password);
    await dialog.getByRole('button', { name: 'Log in' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect(await field('Target').inputValue()).toBe('site=test');
    expect(await field('Size of wave 1').inputValue()).toBe('50%');
    await press('Dry run');
    await page
      .getByText(/4 devices/)
      .first()
      .waitFor();
  });

  membershipTests(() => ({ fleet, page, person: ACCOUNT.name, look }));
  accessTests(() => ({ fleet, page, person: ACCOUNT.name }));

  it('lists rollouts and the accounts', async () => {
    await go('Rollouts');
    await heading('Rollouts').waitFor();
    await page.getByText('grey@1.2.0').first().waitFor();
    await look('rollouts');
    await page.goto('/access');
    await page.getByText(ACCOUNT.name).first().waitFor();
    await look('access');
    await page.goto('/');
    await heading('Overview').waitFor();
    await look('overview-later');
  });

  it('has nothing that axe-core finds serious, and no error of a script', () => {
    expect(findings).toEqual([]);
    expect(errors).toEqual([]);
  });
});
