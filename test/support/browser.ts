import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import chromium from '@sparticuz/chromium';
import axe from 'axe-core';
import { type Browser, type Page, chromium as playwright } from 'playwright-core';

/** Where the tests leave pictures of the pages, for people to look at. */
const SCREENS = fileURLToPath(new URL('../.reports/screens', import.meta.url));

/** As much of the browser's `Animation` as is asked for here: tests are compiled without the types of a page. */
interface Motion {
  readonly id: string;
  readonly animationName?: string;
  readonly finished: Promise<unknown>;
  readonly effect: { getComputedTiming(): { endTime: number } } | null;
}

/** Waits until everything is read and the page's animations have ended, and gives back the names of those that would never end. */
const settle = async (page: Page): Promise<string[]> => {
  await page.locator('[aria-busy=true]').first().waitFor({ state: 'detached' });
  return page.evaluate(async () => {
    const { document } = globalThis as unknown as { document: { getAnimations(): Motion[] } };
    const running = document.getAnimations();
    const endless = running.filter((it) => it.effect?.getComputedTiming().endTime === Number.POSITIVE_INFINITY);
    await Promise.allSettled(running.filter((it) => !endless.includes(it)).map((it) => it.finished));
    return endless.map((it) => it.animationName ?? it.id);
  });
};

const SIZE = { width: 1360, height: 860 };

/** A real Chromium, from npm. The caller closes it. */
export const openBrowser = async (): Promise<Browser> =>
  playwright.launch({ executablePath: await chromium.executablePath(), args: chromium.args, headless: true });

/** What went wrong in a page without anybody being told: errors of scripts, and of the console. */
export const watchErrors = (page: Page): string[] => {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    // The browser itself says each answer of 4xx; whether it should have come is the tests' business.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      errors.push(message.text());
  });
  return errors;
};

/** A new window in which nobody is logged in. */
export const openPage = async (browser: Browser, baseURL: string): Promise<Page> => {
  const context = await browser.newContext({ baseURL, viewport: SIZE, locale: 'en-GB', reducedMotion: 'reduce' });
  return context.newPage();
};

/** What axe-core finds serious or critical on the page as it is, in a line each. */
export const seriousFindings = async (page: Page): Promise<string[]> => {
  await page.evaluate(axe.source);
  const findings = await page.evaluate(async () => {
    const { axe: checker } = globalThis as unknown as { axe: typeof axe };
    const { violations } = await checker.run();
    return violations.map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      targets: nodes.map((it) => it.target),
    }));
  });
  return findings
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, impact, help, targets }) => `${impact} ${id}: ${help} (${JSON.stringify(targets.slice(0, 5))})`);
};

/** Leaves a picture of the page as it is. */
export const takePicture = async (page: Page, name: string): Promise<void> => {
  await mkdir(SCREENS, { recursive: true });
  await page.screenshot({ path: join(SCREENS, `${name}.png`), fullPage: true });
};

/**
 * Looks at the page in both themes, as somebody who wants little motion: leaves a picture of each, and gives back what
 * axe-core finds and what moves all the same.
 */
export const inBothThemes = async (page: Page, name: string): Promise<string[]> => {
  const findings: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    // Colours that are still on their way would be looked at half-way.
    for (const animation of await settle(page)) findings.push(`${name}, ${colorScheme}: "${animation}" moves for ever`);
    await takePicture(page, `${name}-${colorScheme}`);
    for (const finding of await seriousFindings(page)) findings.push(`${name}, ${colorScheme}: ${finding}`);
  }
  return findings;
};
