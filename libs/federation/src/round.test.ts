import { describe, expect, it } from 'vitest';
import {
  AGGREGATE_SECONDS,
  commandRound,
  decideRound,
  minimumOf,
  RoundCommandRefusedError,
  type RoundDecision,
  type RoundSnapshot,
  trainersWanted,
} from './round.ts';
import { ROUND_STATES, type RoundState } from './states.ts';

const NOW = 1_700_000_000_000;
const spec: RoundSnapshot['spec'] = {
  goal: 4,
  minimum: 2,
  overSelection: 1.3,
  evaluators: 2,
  selectFor: 60,
  collectFor: 300,
  evaluateFor: 120,
  margin: 0,
};
const snapshot = (changes: Partial<RoundSnapshot>): RoundSnapshot => ({
  state: 'DRAFT',
  deadlineAt: NOW + 1,
  spec,
  eligible: [],
  ineligible: [],
  trainers: {},
  evaluators: {},
  aggregated: false,
  reports: [],
  ...changes,
});
const devices = (count: number) => Array.from({ length: count }, (_, index) => `d${index}`);

const brief = (decisions: readonly RoundDecision[]): string[] =>
  decisions.map((decision) => {
    switch (decision.kind) {
      case 'select':
        return `train ${decision.train.join(' ')}, evaluate ${decision.evaluate.join(' ')}`;
      case 'move':
        return `${decision.state} for ${(decision.deadlineAt - NOW) / 1000} s`;
      case 'abandon':
        return `abandon ${decision.code}`;
      case 'invite':
      case 'close-participants':
        return `${decision.kind} ${decision.part}`;
      default:
        return decision.kind;
    }
  });
const abandoned = (code: string) => ['close-participants train', 'close-participants evaluate', `abandon ${code}`];
const wordsOf = (decisions: readonly RoundDecision[]): string => {
  const last = decisions.at(-1);
  return last !== undefined && 'words' in last ? last.words : '';
};

describe('a round that begins', () => {
  it('goes out looking for devices, for a limited time', () => {
    const decisions = decideRound(snapshot({ deadlineAt: null }), NOW);
    expect(brief(decisions)).toEqual(['SELECTING for 60 s']);
    expect(wordsOf(decisions)).toBe('waiting for 4 devices to train and 2 to evaluate');
  });

  it('waits while too few are eligible, and takes no more than it needs', () => {
    const selecting = (count: number) => snapshot({ state: 'SELECTING', eligible: devices(count) });
    expect(decideRound(selecting(5), NOW)).toEqual([]);
    expect(brief(decideRound(selecting(6), NOW))).toEqual([
      'train d2 d3 d4 d5, evaluate d0 d1',
      'CONFIGURED for 300 s',
    ]);
    const many = decideRound(selecting(40), NOW);
    expect(brief(many)[0]).toBe('train d2 d3 d4 d5 d6 d7, evaluate d0 d1');
    expect(wordsOf(many)).toBe('6 devices to train, 2 devices kept back to evaluate');
  });

  it('goes on at its deadline with the minimum and the evaluators', () => {
    const late = (count: number, ineligible: string[] = []) =>
      decideRound(snapshot({ state: 'SELECTING', deadlineAt: NOW, eligible: devices(count), ineligible }), NOW);
    expect(brief(late(4))).toEqual(['train d2 d3, evaluate d0 d1', 'CONFIGURED for 300 s']);
    expect(brief(late(3))).toEqual(abandoned('not-enough-devices'));
    expect(wordsOf(late(3, ['7 have too few labelled samples', '1 is offline']))).toBe(
      '3 of 4 needed devices are eligible: 7 have too few labelled samples, 1 is offline (needed: 2 to train and 2 to evaluate)',
    );
    expect(wordsOf(late(0))).toBe('0 of 4 needed devices are eligible (needed: 2 to train and 2 to evaluate)');
  });

  it('rings those who train, with the deadline that was set at their selection', () => {
    const decisions = decideRound(
      snapshot({ state: 'CONFIGURED', deadlineAt: NOW + 9000, trainers: { INVITED: 6 } }),
      NOW,
    );
    expect(brief(decisions)).toEqual(['invite train', 'COLLECTING for 9 s']);
    expect(wordsOf(decisions)).toBe('waiting for 4 updates of 6 devices');
  });
});

describe('collecting', () => {
  const collect = (trainers: RoundSnapshot['trainers'], deadlineAt = NOW + 1) =>
    decideRound(snapshot({ state: 'COLLECTING', trainers, deadlineAt }), NOW);
  const summed = ['close-participants train', `AGGREGATING for ${AGGREGATE_SECONDS} s`];

  it.each([
    ['waits', { REPORTED: 3, WORKING: 2, INVITED: 1 }, 1, []],
    ['ends at the goal', { REPORTED: 4, WORKING: 2 }, 1, summed],
    ['ends when everybody has answered', { REPORTED: 3, REFUSED: 1, DECLINED: 2 }, 1, summed],
    ['ends at the deadline with the minimum', { REPORTED: 2, WORKING: 4 }, 0, summed],
    ['waits as long as the minimum can come', { REPORTED: 1, DECLINED: 4, WORKING: 1 }, 1, []],
    ['is over when the minimum cannot come any more', { REPORTED: 1, DECLINED: 5 }, 1, abandoned('not-enough-updates')],
    ['is over at the deadline with too few', { REPORTED: 1, WORKING: 5 }, 0, abandoned('not-enough-updates')],
    ['is over when nobody takes part', {}, 1, abandoned('not-enough-updates')],
  ] as const)('%s: %j', (_, trainers, left, expected) => {
    expect(brief(collect(trainers, NOW + left))).toEqual(expected);
  });

  it('says who came and who did not', () => {
    expect(wordsOf(collect({ REPORTED: 2, REFUSED: 1, DECLINED: 2, WORKING: 3 }, NOW))).toBe(
      '2 updates to sum: 2 came, 1 were refused, 2 declined, 3 did not answer',
    );
    expect(wordsOf(collect({ WORKING: 6 }, NOW))).toBe('expected at least 2 updates: 0 came, 6 did not answer');
  });
});

describe('aggregating', () => {
  it('sums until there is a sum, then rings those who evaluate', () => {
    const state = snapshot({ state: 'AGGREGATING', evaluators: { INVITED: 2 } });
    expect(brief(decideRound(state, NOW))).toEqual(['aggregate']);
    expect(brief(decideRound({ ...state, aggregated: true }, NOW))).toEqual([
      'invite evaluate',
      'EVALUATING for 120 s',
    ]);
  });

  it('ends by the clock when it cannot be summed; a sum that is there is not thrown away', () => {
    const late = snapshot({ state: 'AGGREGATING', deadlineAt: NOW });
    expect(brief(decideRound(late, NOW))).toEqual(abandoned('not-aggregated'));
    expect(brief(decideRound({ ...late, aggregated: true }, NOW))[0]).toBe('invite evaluate');
  });
});

describe('evaluating', () => {
  const report = (candidate: number) => ({
    samples: 100,
    base: { correct: 70, loss: 1 },
    candidate: { correct: candidate, loss: 0.5 },
  });
  const judge = (changes: Partial<RoundSnapshot>) => decideRound(snapshot({ state: 'EVALUATING', ...changes }), NOW);
  const good = { evaluators: { REPORTED: 2 }, reports: [report(80), report(70)] };

  it('waits for all who evaluate', () => {
    expect(judge({ evaluators: { REPORTED: 1, WORKING: 1 }, reports: [report(90)] })).toEqual([]);
    expect(judge({ evaluators: { INVITED: 2 } })).toEqual([]);
  });

  it('commits what is good enough, with its numbers', () => {
    expect(brief(judge(good))).toEqual(['close-participants evaluate', 'record-evaluation', 'commit']);
    expect(wordsOf(judge(good))).toContain(
      'the candidate is right in 75.0 % and the base in 70.0 %: 5.0 points better',
    );
  });

  it('goes on at the deadline with one answer', () => {
    const one = { evaluators: { REPORTED: 1, INVITED: 1 }, reports: [report(71)], deadlineAt: NOW };
    expect(brief(judge(one))).toEqual(['close-participants evaluate', 'record-evaluation', 'commit']);
  });

  it('abandons what is worse, and keeps the measurement', () => {
    const worse = judge({ ...good, reports: [report(60), report(70)] });
    expect(brief(worse)).toEqual(['record-evaluation', ...abandoned('not-better')]);
    expect(wordsOf(worse)).toContain('5.0 points worse');
  });

  it.each([
    ['everybody declined', { evaluators: { DECLINED: 2 } }],
    ['nobody answered in time', { evaluators: { INVITED: 1, WORKING: 1 }, deadlineAt: NOW }],
  ])('does not commit what was not measured: %s', (_, changes) => {
    expect(brief(judge(changes))).toEqual(abandoned('not-evaluated'));
  });
});

describe('decideRound, whatever the state', () => {
  it.each<RoundState>(['COMMITTED', 'ABANDONED'])('does nothing in %s', (state) => {
    expect(decideRound(snapshot({ state, eligible: devices(9) }), NOW + 1e10)).toEqual([]);
  });

  it.each(ROUND_STATES.slice(1, -2))('does something in %s when its deadline is missing', (state) => {
    expect(decideRound(snapshot({ state, deadlineAt: null, trainers: { WORKING: 3 } }), NOW)).not.toEqual([]);
  });

  it.each(ROUND_STATES)('answers the same to the same in %s, and changes nothing it was given', (state) => {
    const given = snapshot({ state, eligible: devices(9), trainers: { REPORTED: 4 } });
    const before = structuredClone(given);
    expect(decideRound(given, NOW)).toEqual(decideRound(given, NOW));
    expect(given).toEqual(before);
  });
});

describe('abandon', () => {
  it.each(ROUND_STATES.slice(0, -2))('ends a round that is %s', (state) => {
    expect(brief(commandRound({ state }, 'abandon'))).toEqual(abandoned('by-a-person'));
  });

  it.each<RoundState>(['COMMITTED', 'ABANDONED'])('is refused when it is %s', (state) => {
    expect(() => commandRound({ state }, 'abandon')).toThrow(RoundCommandRefusedError);
    expect(() => commandRound({ state }, 'abandon')).toThrow(`under way for abandon; this one is ${state}.`);
  });
});

describe('numbers of a round', () => {
  it.each([
    [10, undefined, 5],
    [5, undefined, 3],
    [1, undefined, 1],
    [10, 2, 2],
    [3, 9, 3],
  ])('of goal %d and minimum %s: %d', (goal, minimum, expected) => {
    expect(minimumOf({ goal, minimum })).toBe(expected);
  });

  it.each([
    [10, 1.3, 13],
    [10, 1.1, 11],
    [4, 1.3, 6],
    [7, 1, 7],
  ])('asks for %d × %d: %d', (goal, overSelection, expected) => {
    expect(trainersWanted({ goal, overSelection })).toBe(expected);
  });
});
