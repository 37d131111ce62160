import type { Page } from 'playwright-core';

/** What a person does on pages of the console, by the names that they see or hear. */
export const handsOn = (page: () => Page) => {
  const field = (name: string) => page().getByRole('textbox', { name, exact: true });

  return {
    field,
    heading: (name: string | RegExp) => page().getByRole('heading', { name, level: 1 }),
    press: (name: string) => page().getByRole('button', { name, exact: true }).click(),
    go: (name: string) => page().getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click(),
    /** A part of a form that is closed at first. */
    section: (name: string) => page().getByRole('button', { name: new RegExp(`^${name}`) }),
    /** A mark that a reload would wipe out. */
    mark: () => page().evaluate(() => Object.assign(globalThis, { neverReloaded: true })),
    marked: () => page().evaluate(() => 'neverReloaded' in globalThis),

    /** Fills the form of a rollout to the test fleet, with waves of these sizes and times that a test can wait for. */
    async fillRollout(release: string, sizes: readonly string[]): Promise<void> {
      await page().goto(`/rollouts/new?release=${encodeURIComponent(release)}`);
      await page().getByRole('heading', { name: 'New rollout', level: 1 }).waitFor();
      await field('Target').fill('site=test');
      while (
        (await page()
          .getByRole('textbox', { name: /^Size of wave/ })
          .count()) > sizes.length
      ) {
        await page()
          .getByRole('button', { name: /^Remove wave/ })
          .first()
          .click();
      }
      for (const [index, size] of sizes.entries()) {
        await field(`Size of wave ${index + 1}`).fill(size);
        await field(`Soak of wave ${index + 1}`).fill('1s');
        await field(`At least of wave ${index + 1}`).fill('');
      }
      await field('Deadline').fill('60s');
      await field('lasts at least').fill('2s');
      await field('and … frames').fill('15');
      await field('p95, times the one before').fill('50');
    },
  };
};
