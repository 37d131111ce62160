import { fileURLToPath } from 'node:url';
import { SESSION_COOKIE } from '@aviary/protocol';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiProcess } from '../support/api-process.ts';
import { inBothThemes, openBrowser, openPage, watchErrors } from '../support/browser.ts';
import { handsOn } from '../support/console-hands.ts';
import { insertFleet, insertRelease, variantRow } from '../support/rows.ts';
import { openAccount } from '../support/test-account.ts';
import { TestDatabase } from '../support/test-database.ts';

// A rollout that would take hours: what a page shows of its comparisons, of who waits and of what fails, in a real Chromium.

const RELEASE = 'meter@2.0.0';
const DEVICES = 200;
const LOOKS = 24;
const MINUTE = 60_000;

let t: TestDatabase;
let api: ApiProcess;
let browser: Browser;
let page: Page;
let errors: string[];
let id: string;

beforeAll(async () => {
  t = await TestDatabase.start();
  const consoleDirectory = fileURLToPath(new URL('../../apps/console/dist', import.meta.url));
  api = await ApiProcess.start(t, { consoleDirectory });
  await insertRelease(t, RELEASE, 2, [variantRow('meter', '2.0.0', ['rpi4', 'rpi5', 'jetson-orin-nano'], 5e6)]);
  await insertFleet(t, DEVICES);
  const rollout = await api.client.createRollout({
    body: {
      release: RELEASE,
      strategy: {
        control: 40,
        waves: [{ size: 40, soak: '1h' }, { size: '100%' }],
        rate: { perMinute: 20, increase: 1.5 },
        compareOver: '1m',
      },
      gates: [{ execution: { maxFailureRate: '30%' } }, { latencyP95: { versus: 'control', margin: '15%' } }],
    },
  });
  id = rollout.id;
  await t.query(`update wave set state = 'RUNNING', started_at = now() where rollout_id = $1 and index = 0`, [id]);
  await t.query(`update rollout set state = 'RUNNING', reason = 'started' where id = $1`, [id]);
  await t.query(
    `insert into execution (rollout_id, wave_index, device_id, kind, state, reason_code, reason, not_before, ended_at)
     select $1, 0, id, 'install', state, code, reason, now() + waits, case when code is not null then now() end
     from (select id, n, case when n < 22 then 'SUCCEEDED' when n < 27 then 'FAILED' when n < 30 then 'TIMED_OUT' else 'QUEUED' end as state,
         case when n < 22 then null when n < 27 then 'download-failed' when n < 30 then 'deadline' end as code,
         case when n < 22 then null when n < 27 then 'the mirror was down for ' || n || ' s' when n < 30 then 'said nothing final before its deadline'
           when n < 36 then 'waits for its window' end as reason,
         case when n between 30 and 35 then interval '2 hours' else interval '0' end as waits
       from (select id, row_number() over (order by id) as n from device limit 40) as numbered) as made`,
    [id],
  );
  for (let look = 1; look <= LOOKS; look += 1) {
    const width = 0.5 / look;
    const estimate = 0.09 + Math.sin(look) / 60;
    const comparison = {
      lower: estimate - width,
      upper: estimate + width,
      eWorse: 1 / look,
      eNotWorse: 1.13 ** look,
      eDecides: 40,
    };
    const detail = { estimate, bound: 0.15, evidence: look, comparison };
    const row = [id, 'latencyP95 versus control', 'cannot tell yet', JSON.stringify(detail)];
    await t.query(
      `insert into gate_evaluation (rollout_id, wave_index, gate, verdict, words, detail, at)
       values ($1, 0, $2, 'not-enough', $3, $4, now() - make_interval(secs => $5))`,
      [...row, ((LOOKS - look) * MINUTE) / 1000],
    );
    if (look < LOOKS) continue;
    await t.query(
      `insert into gate_result (rollout_id, wave_index, gate, verdict, words, detail) values ($1, 0, $2, 'not-enough', $3, $4)`,
      row,
    );
  }
  browser = await openBrowser();
  page = await openPage(browser, api.url);
  errors = watchErrors(page);
  const { cookie } = await openAccount(api.client, api.url, 'operator', 'ana');
  await page
    .context()
    .addCookies([{ name: SESSION_COOKIE, value: cookie.slice(SESSION_COOKIE.length + 1), url: api.url }]);
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await api?.stop();
  await t?.stop();
});

describe('the page of a rollout', () => {
  it('shows the control group, the comparison as it grows, who waits for what, and what fails', async () => {
    await page.goto(`/rollouts/${id}`);
    await page.getByText('40 devices are the control group').waitFor();
    const numbers = page.getByText(
      /p95 \+\d+(\.\d+)? % \(.*margin 15 %, 24 pairs, evidence .* of 40 that it is not worse/,
    );
    // At its gate, and above the charts.
    await expect.poll(() => numbers.count()).toBe(2);
    await page.getByRole('img', { name: /^Evidence of wave 1 on latencyP95 versus control/ }).waitFor();
    await page.getByText('waits for its window').first().waitFor();
    await page.getByText('30 devices a minute may be told').waitFor();
    await page
      .getByText(/the mirror was down/)
      .first()
      .waitFor();
    expect(await inBothThemes(page, 'rollout-compared')).toEqual([]);
  });

  it('gives those that failed a new try, and says in its history who has asked', async () => {
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('8 devices get a new try').waitFor();
    await page.getByText('· ana').first().waitFor();
    await page.getByRole('button', { name: 'Try again' }).waitFor({ state: 'detached' });
  });

  it('says what does not go together where it stands, and which rollout under way wants the same devices', async () => {
    await page.goto(`/rollouts/new?release=${encodeURIComponent(RELEASE)}`);
    const { field, press, section } = handsOn(() => page);
    await field('Target').fill('profile=rpi4');
    await press('Add a gate');
    await page.getByRole('menuitem', { name: 'Lost accelerators' }).click();
    await section('Window and consent').click();
    await page.getByRole('radio', { name: 'Download only' }).check();
    await press('Dry run');
    const gate = page.getByRole('group', { name: 'Lost accelerators' });
    await gate
      .getByText('expected execution or success: with mode: download-only nothing serves the release')
      .waitFor();
    await page.getByRole('radio', { name: 'With consent' }).check();
    await field('Forced after').fill('8h');
    await section('Pace and retries').click();
    await field('Retries').fill('2');
    await section('Precedence and newcomers').click();
    await field('Priority').fill('700');
    await section('Where people decide').click();
    await page.getByRole('switch', { name: 'Needs approval' }).check();
    await press('Dry run');
    await page.getByText('expected less than the deadline, 6h, got 8h').first().waitFor();
    expect(await inBothThemes(page, 'new-rollout-all')).toEqual([]);
    await field('Forced after').fill('2h');
    await press('Dry run');
    await page.getByText(/is under way on \d+ devices of these; this one outranks it and takes them/).waitFor();
    await press('Start');
    await page.getByRole('heading', { name: /^Rollout / }).waitFor();
    await page.getByRole('button', { name: 'Approve' }).waitFor();
    const [row] = await t.query<{ spec: object; state: string }>(
      'select state, spec from rollout order by created_at desc limit 1',
    );
    expect(row).toMatchObject({
      state: 'WAITING_FOR_APPROVAL',
      spec: { priority: 700, approval: 'required', strategy: { mode: 'soft', forceAfter: 7200, retries: 2 } },
    });
    await page.goto('/');
    await page.getByText('meter@2.0.0 to "profile=rpi4" waits for approval').waitFor();
  });

  it('says before a rollout begins what it would do: whom it compares, when it ends, which site downloads how much', async () => {
    await t.query(`update rollout set state = 'STOPPED', ended_at = now()`);
    await page.goto(`/rollouts/new?release=${encodeURIComponent(RELEASE)}`);
    await page.getByRole('button', { name: 'Dry run', exact: true }).click();
    await page.getByText(/^It finishes in .* at the earliest\./).waitFor();
    await page.getByText('No device is held back, so nothing is compared.').waitFor();
    await page.getByRole('textbox', { name: 'Control group' }).fill('40');
    await page.getByRole('button', { name: 'Add a gate' }).click();
    await page.getByRole('menuitem', { name: 'Latency against the control group' }).click();
    await page.getByRole('button', { name: 'Dry run', exact: true }).click();
    await page.getByText(/^Held back until the last wave: \d+ /).waitFor();
    await page
      .getByText(/latencyP95 versus control/)
      .first()
      .waitFor();
    await page.getByRole('table', { name: 'Bytes by site' }).waitFor();
    expect(await inBothThemes(page, 'new-rollout-dry-run')).toEqual([]);
    expect(errors).toEqual([]);
  });
});
