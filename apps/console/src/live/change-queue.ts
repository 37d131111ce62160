/** Something of a topic is not as it was; `ids` null: many. */
export interface Change {
  readonly topic: string;
  readonly ids: readonly string[] | null;
}

type QueryKey = readonly string[];

/** The keys of what a topic's changes make stale: its lists, and the ones that were named. */
export const staleKeys = (changes: readonly Change[]): QueryKey[] => {
  const whole = new Set(changes.filter(({ ids }) => ids === null).map(({ topic }) => topic));
  const keys = new Map<string, QueryKey>();
  const add = (...key: string[]) => keys.set(key.join('\n'), key);
  for (const { topic, ids } of changes) {
    // A release may be what became of a round.
    if (topic === 'releases') add('rounds');
    if (whole.has(topic)) {
      add(topic);
      continue;
    }
    add(topic, 'list');
    for (const id of ids ?? []) add(topic, 'one', id);
  }
  if (changes.length > 0) add('overview');
  return [...keys.values()];
};

/**
 * Gathers changes while earlier ones are still being read again: however fast a fleet changes, a page has one round of
 * reading under way, and what came meanwhile is in the next.
 */
export class ChangeQueue {
  private waiting: Change[] = [];
  private busy = false;
  private readonly readAgain: (keys: QueryKey[]) => Promise<unknown>;

  constructor(readAgain: (keys: QueryKey[]) => Promise<unknown>) {
    this.readAgain = readAgain;
  }

  push(change: Change): void {
    this.waiting.push(change);
    if (!this.busy) void this.work();
  }

  private async work(): Promise<void> {
    this.busy = true;
    while (this.waiting.length > 0) {
      const changes = this.waiting;
      this.waiting = [];
      // What could not be read shows its own error on the page.
      await this.readAgain(staleKeys(changes)).catch(() => undefined);
    }
    this.busy = false;
  }
}
