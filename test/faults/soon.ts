import { until } from '../support/test-fleet.ts';

/** Far more than anything here takes. */
const PATIENCE_S = 30;

/** Waits until it is so. @throws naming what was waited for */
export const soon = (what: string, isSo: () => boolean | Promise<boolean>): Promise<true> =>
  until(what, PATIENCE_S, async () => ((await isSo()) ? true : undefined), 20);
