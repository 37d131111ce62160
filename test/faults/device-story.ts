import { randomBytes } from 'node:crypto';
import type { JournalState } from '../../apps/agent/src/state/journal.ts';
import { sealLightRelease } from '../../apps/agent/src/testing/sealed-light-release.ts';
import type { SealedRelease } from '../../apps/agent/src/testing/sealed-release.ts';
import { DevicePlane, executionOf, PROBATION } from './device-plane.ts';

/** Counter 1; below the floor of the devices here. */
export const old = await sealLightRelease('light-reader@0.9.0', { releaseCounter: 1 });
export const a = await sealLightRelease('light-reader@1.0.0', { releaseCounter: 2 });
/** Several batches of the download are written one after the other. */
export const b = await sealLightRelease('light-reader@1.1.0', { releaseCounter: 3, ballast: randomBytes(600_000) });
/** Forbids to go back to `a`. */
export const c = await sealLightRelease('light-reader@1.2.0', { releaseCounter: 4, rollbackFloor: 3 });

/** Something that a device goes through, at any moment of which its power may go. */
export interface Story {
  readonly name: string;
  /** What its journal says in the beginning; the sealed files of what it names are there. */
  readonly journal: Partial<JournalState>;
  readonly held: readonly SealedRelease[];
  /** What is there besides in the end, and serves nobody. */
  readonly staged?: SealedRelease;
  /** The control plane as it is in the beginning. */
  readonly plane: () => DevicePlane;
  /** What happens at the control plane once the device serves; it finds it so, too, when the power comes back. */
  readonly happen: (plane: DevicePlane) => void;
  /** What serves in the end, and only that. */
  readonly end: SealedRelease;
  /** Whether the device has decided what it had to decide. */
  readonly isDecided: (journal: JournalState) => boolean;
  /** How the execution ends that was assigned; undefined where none was. */
  readonly outcome: 'SUCCEEDED' | 'STAGED' | undefined;
}

export const INSTALL: Story = {
  name: 'an install',
  journal: { committed: a.held, rollbackFloor: 2 },
  held: [a],
  plane: () => {
    const plane = new DevicePlane([a, b]);
    plane.assign(b, 1);
    return plane;
  },
  happen: () => undefined,
  end: b,
  isDecided: ({ committed, previous }) => committed?.digest === b.held.digest && previous?.digest === a.held.digest,
  outcome: 'SUCCEEDED',
};

export const TAKE_BACK: Story = {
  name: 'a take-back',
  journal: { committed: b.held, previous: a.held, rollbackFloor: 2 },
  held: [a, b],
  plane: () => new DevicePlane([a, b]),
  happen: ({ repository }) => repository.publish({ releases: [a.statement], stopped: [b.statement.release] }),
  end: a,
  isDecided: ({ stopped }) => stopped.includes(b.statement.release),
  outcome: undefined,
};

/** The consent was given before; without it the device would wait for ever. */
export const CONSENTED: Story = {
  ...INSTALL,
  name: 'an install that was consented to',
  journal: {
    committed: a.held,
    rollbackFloor: 2,
    sequence: 1,
    candidate: {
      release: { ...b.held, executionId: executionOf(1), probation: PROBATION, terms: { mode: 'soft' } },
      stage: 'assigned',
      probationStarts: 0,
      allowedUntil: Date.now() + 3_600_000,
      consent: { decision: 'allow' },
    },
  },
  plane: () => {
    const plane = new DevicePlane([a, b]);
    plane.assign(b, 1, { terms: { mode: 'soft' } });
    return plane;
  },
};

/** Two releases run at once, and no frame has to come. */
export const SHADOW_TERMS = { mode: 'forced', shadow: { seconds: 0.02, every: 1, minAgreement: 0.5 } } as const;
export const SHADOWED: Story = {
  ...INSTALL,
  name: 'an install that runs in shadow first',
  plane: () => {
    const plane = new DevicePlane([a, b]);
    plane.assign(b, 1, { terms: SHADOW_TERMS });
    return plane;
  },
};

export const STAGE: Story = {
  name: 'a download alone',
  journal: { committed: a.held, rollbackFloor: 2 },
  held: [a],
  staged: b,
  plane: () => {
    const plane = new DevicePlane([a, b]);
    plane.assign(b, 1, { terms: { mode: 'download-only' } });
    return plane;
  },
  happen: () => undefined,
  end: a,
  isDecided: ({ committed, staged }) => committed?.digest === a.held.digest && staged?.digest === b.held.digest,
  outcome: 'STAGED',
};
