import { until } from '../support/test-fleet.ts';

/** Far more than most things here take. */
const PATIENCE_S = 30;

/** Waits until it is so. @throws naming what was waited for */
export const soon = (what: string, isSo: () => boolean | Promise<boolean>, seconds = PATIENCE_S): Promise<true> =>
  until(what, seconds, async () => ((await isSo()) ? true : undefined), 20);
