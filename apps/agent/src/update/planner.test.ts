import { describe, expect, it } from 'vitest';
import type { AssignedRelease, Candidate } from '../state/journal.ts';
import { assignedRelease, heldRelease } from '../testing/releases.ts';
import type { Hold } from './hold.ts';
import { type Context, type Current, plan, type Step } from './planner.ts';
import { notShadowed } from './shadow-judge.ts';

const a = heldRelease('a', { releaseCounter: 1 });
const b = heldRelease('b', { releaseCounter: 2 });
const target = assignedRelease('c', 'e1', { releaseCounter: 3 });
const nothing: Current = { committed: null, previous: null, serving: null, admitted: null };
const fine: Context = {
  ended: [],
  unservable: [],
  stopped: [],
  rollbackFloor: 0,
  hold: null,
  alone: null,
  unprepared: null,
};
const hold: Hold = { waitsFor: 'window', until: null, laterUntil: null, words: 'waits for its window' };
const staging: AssignedRelease = { ...target, terms: { mode: 'download-only' } };
const shadowed: AssignedRelease = {
  ...target,
  terms: { mode: 'forced', shadow: { seconds: 1, every: 1, minAgreement: 0.9 } },
};
const at = (stage: Candidate['stage'], release: AssignedRelease = target) => ({ release, stage });

const words = (steps: readonly Step[]): string[] =>
  steps.map((step) => {
    const of = 'release' in step ? step.release : 'target' in step ? step.target : undefined;
    return of === undefined ? step.kind : `${step.kind} ${of.release.slice(0, 1)}`;
  });

describe('the plan', () => {
  const table: [
    string,
    Partial<Current>,
    Pick<Candidate, 'release' | 'stage' | 'shadow'> | null,
    Partial<Context>,
    string[],
  ][] = [
    [
      'what serves was stopped by the publisher',
      { committed: b, previous: a, serving: b.digest },
      null,
      { stopped: [b.digest] },
      ['serve a'],
    ],
    [
      'all that there is was stopped',
      { committed: b, previous: a, serving: b.digest },
      null,
      { stopped: [a.digest, b.digest] },
      ['stop'],
    ],
    ['all that there is was stopped, and does not serve', { committed: b }, null, { stopped: [b.digest] }, []],
    [
      'what is assigned was stopped',
      { committed: a, serving: a.digest },
      at('fetched'),
      { stopped: [target.digest] },
      [],
    ],
    [
      'something of it has to be built here',
      { committed: a, serving: a.digest },
      at('fetched'),
      { unprepared: target.digest },
      ['prepare c', 'admit c', 'switch c', 'probation c'],
    ],
    [
      'something has to be built of what is not here yet, and nothing serves',
      { committed: a },
      at('assigned'),
      { unprepared: target.digest },
      ['serve a', 'fetch c', 'prepare c', 'admit c', 'switch c', 'probation c'],
    ],
    [
      'something has to be built of another release',
      { committed: a, serving: a.digest },
      at('fetched'),
      { unprepared: b.digest },
      ['admit c', 'switch c', 'probation c'],
    ],
    [
      'something has to be built of it, and it was admitted before',
      { committed: a, serving: a.digest, admitted: target.digest },
      at('fetched'),
      { unprepared: target.digest },
      ['switch c', 'probation c'],
    ],
    [
      'something has to be built of it, and it must wait',
      { committed: a, serving: a.digest },
      at('fetched'),
      { unprepared: target.digest, hold },
      ['hold c'],
    ],
    [
      'something has to be built of what is only to be fetched',
      { committed: a, serving: a.digest },
      at('fetched', staging),
      { unprepared: target.digest },
      ['stage c'],
    ],
    [
      'what served has made room for it',
      { committed: a },
      at('fetched'),
      { alone: target.digest },
      ['admit c', 'switch c', 'probation c'],
    ],
    [
      'room was made for it, and it must wait after all',
      { committed: a },
      at('fetched'),
      { alone: target.digest, hold },
      ['serve a', 'hold c'],
    ],
    [
      'room was made for another one',
      { committed: a },
      at('fetched'),
      { alone: b.digest },
      ['serve a', 'admit c', 'switch c', 'probation c'],
    ],
    ['room was made for what is not wanted any more', { committed: a }, null, { alone: target.digest }, ['serve a']],
    ['nothing is held or wanted', {}, null, {}, []],
    ['a start', { committed: a }, null, {}, ['serve a']],
    ['it serves', { committed: a, serving: a.digest }, null, {}, []],
    ['a first release', {}, at('assigned'), {}, ['fetch c', 'admit c', 'switch c', 'probation c']],
    [
      'an update while the committed one serves',
      { committed: a, serving: a.digest },
      at('assigned'),
      {},
      ['fetch c', 'admit c', 'switch c', 'probation c'],
    ],
    [
      'a restart in the middle of a download: serve first',
      { committed: a },
      at('assigned'),
      {},
      ['serve a', 'fetch c', 'admit c', 'switch c', 'probation c'],
    ],
    ['fetched', { committed: a, serving: a.digest }, at('fetched'), {}, ['admit c', 'switch c', 'probation c']],
    [
      'admitted',
      { committed: a, serving: a.digest, admitted: target.digest },
      at('fetched'),
      {},
      ['switch c', 'probation c'],
    ],
    [
      'is to run in shadow first',
      { committed: a, serving: a.digest },
      at('assigned', shadowed),
      {},
      ['fetch c', 'admit c', 'shadow c', 'switch c', 'probation c'],
    ],
    [
      'admitted, and is to run in shadow',
      { committed: a, serving: a.digest, admitted: target.digest },
      at('fetched', shadowed),
      {},
      ['shadow c', 'switch c', 'probation c'],
    ],
    [
      'has run in shadow',
      { committed: a, serving: a.digest, admitted: target.digest },
      { ...at('fetched', shadowed), shadow: notShadowed('why not') },
      {},
      ['switch c', 'probation c'],
    ],
    [
      'a restart after it has run in shadow: that is not done again',
      { committed: a },
      { ...at('probation', shadowed), shadow: notShadowed('why not') },
      {},
      ['serve a', 'admit c', 'switch c', 'probation c'],
    ],
    [
      'is to run in shadow alone: that it cannot is said',
      { committed: a },
      at('fetched', shadowed),
      { alone: target.digest },
      ['admit c', 'shadow c', 'switch c', 'probation c'],
    ],
    [
      'is to run in shadow, and must wait',
      { committed: a, serving: a.digest },
      at('fetched', shadowed),
      { hold },
      ['hold c'],
    ],
    [
      'serves already, and was to run in shadow',
      { committed: a, serving: target.digest },
      at('probation', shadowed),
      {},
      ['probation c'],
    ],
    ['on probation', { committed: a, serving: target.digest }, at('probation'), {}, ['probation c']],
    [
      'a restart during probation: the proven one first, and admission again',
      { committed: a },
      at('probation'),
      {},
      ['serve a', 'admit c', 'switch c', 'probation c'],
    ],
    ['a restart during the very first probation', {}, at('probation'), {}, ['admit c', 'switch c', 'probation c']],
    [
      'another is assigned during probation: back to the proven one',
      { committed: a, serving: target.digest },
      at('assigned', assignedRelease('d', 'e2')),
      {},
      ['serve a', 'fetch d', 'admit d', 'switch d', 'probation d'],
    ],
    [
      'the one on probation is assigned again by another execution: no worker is started anew',
      { committed: a, serving: target.digest },
      at('assigned', { ...target, executionId: 'e2' }),
      {},
      ['fetch c', 'switch c', 'probation c'],
    ],
    ['probation failed', { committed: a, previous: b, serving: target.digest }, null, {}, ['serve a']],
    ['the first probation failed: what is not proven does not go on', { serving: target.digest }, null, {}, ['stop']],
    ['an execution that has ended is not begun again', { committed: a }, at('fetched'), { ended: ['e1'] }, ['serve a']],
    [
      'what is committed is assigned',
      { committed: a, serving: a.digest },
      at('assigned', { ...target, ...a }),
      {},
      ['confirm a'],
    ],
    [
      'what is committed is assigned and does not serve yet',
      { committed: a },
      at('assigned', { ...target, ...a }),
      {},
      ['serve a', 'confirm a'],
    ],
    [
      'what was committed before is assigned: it is proven anew',
      { committed: b, previous: a, serving: b.digest },
      at('assigned', { ...target, ...a }),
      {},
      ['fetch a', 'admit a', 'switch a', 'probation a'],
    ],
    ['the committed one cannot serve', { committed: b, previous: a }, null, { unservable: [b.digest] }, ['serve a']],
    [
      'the one before stands below the floor',
      { committed: b, previous: a },
      null,
      { unservable: [b.digest], rollbackFloor: 2 },
      ['serve b'],
    ],
    [
      'neither can serve: the committed one again',
      { committed: b, previous: a },
      null,
      { unservable: [a.digest, b.digest] },
      ['serve b'],
    ],
    [
      'the committed one serves although it was said that it cannot',
      { committed: b, serving: b.digest },
      null,
      { unservable: [b.digest] },
      [],
    ],
    ['a replacement serves', { committed: b, previous: a, serving: a.digest }, null, { unservable: [b.digest] }, []],
    [
      'the committed one is assigned anew while its replacement serves',
      { committed: b, previous: a, serving: a.digest },
      at('assigned', { ...target, ...b }),
      {},
      ['serve b', 'confirm b'],
    ],
    [
      'it must not switch yet: fetches, and waits',
      { committed: a, serving: a.digest },
      at('assigned'),
      { hold },
      ['fetch c', 'hold c'],
    ],
    ['a restart while it waits', { committed: a }, at('fetched'), { hold }, ['serve a', 'hold c']],
    [
      'a restart in the middle of a probation, after the window has closed',
      { committed: a },
      at('probation'),
      { hold },
      ['serve a', 'hold c'],
    ],
    [
      'the window closes after admission',
      { committed: a, serving: a.digest, admitted: target.digest },
      at('fetched'),
      { hold },
      ['hold c'],
    ],
    [
      'the window closes during probation: that goes on',
      { committed: a, serving: target.digest },
      at('probation'),
      { hold },
      ['probation c'],
    ],
    ['nothing serves that a switch would disturb', {}, at('fetched'), { hold }, ['admit c', 'switch c', 'probation c']],
    [
      'all that could serve was stopped: the new one is waited for by nobody',
      { committed: a },
      at('fetched'),
      { hold, stopped: [a.digest] },
      ['admit c', 'switch c', 'probation c'],
    ],
    [
      'what is committed is assigned while nothing may be switched',
      { committed: a, serving: a.digest },
      at('assigned', { ...target, ...a }),
      { hold },
      ['confirm a'],
    ],
    ['only to be fetched', { committed: a, serving: a.digest }, at('assigned', staging), {}, ['fetch c', 'stage c']],
    ['only to be fetched by a device that has nothing', {}, at('assigned', staging), {}, ['fetch c', 'stage c']],
    [
      'only to be fetched while it is on probation by another execution: back to the proven one',
      { committed: a, serving: target.digest },
      at('assigned', staging),
      {},
      ['serve a', 'fetch c', 'stage c'],
    ],
    [
      'only to be fetched while it is on its very first probation by another execution',
      { serving: target.digest },
      at('fetched', staging),
      {},
      ['stop', 'stage c'],
    ],
    [
      'only to be fetched, and committed already',
      { committed: a, serving: a.digest },
      at('assigned', { ...staging, ...a }),
      {},
      ['confirm a'],
    ],
  ];
  it.each(table)('%s', (_, current, wanted, context, expected) => {
    expect(words(plan({ ...nothing, ...current }, wanted, { ...fine, ...context }))).toEqual(expected);
  });
});
