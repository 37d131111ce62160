import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import chromium from '@sparticuz/chromium';
import axe from 'axe-core';
import { type Browser, type Page, chromium as playwright } from 'playwright-core';

/** Where the tests leave pictures of the pages, for people to look at. */
const SCREENS = fileURLToPath(new URL('../.reports/screens', import.meta.url));

/** Done when every animation of the page is. */
const SETTLED = 'Promise.allSettled(document.getAnimations().map((it) => it.finished)).then(() => undefined)';

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

/** Looks at the page in both themes: leaves a picture of each, and gives back what axe-core finds. */
export const inBothThemes = async (page: Page, name: string): Promise<string[]> => {
  await mkdir(SCREENS, { recursive: true });
  const findings: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    // Colours that are still on their way would be looked at half-way.
    await page.evaluate(SETTLED);
    await page.screenshot({ path: join(SCREENS, `${name}-${colorScheme}.png`), fullPage: true });
    for (const finding of await seriousFindings(page)) findings.push(`${name}, ${colorScheme}: ${finding}`);
  }
  return findings;
};
