import { MOST_PROFILED_OPERATORS } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { OperatorSums } from './operator-sums.ts';

/** Lines as ONNX Runtime 1.30 writes them. */
const event = (cat: string, name: string, ts: number, dur: number, args: object = {}): string =>
  `{"cat" : "${cat}","pid" :7,"tid" :7,"dur" :${dur},"ts" :${ts},"ph" : "X","name" :"${name}","args" : ${JSON.stringify(args)}},`;
const node = (name: string, type: string, ts: number, dur: number, provider = 'CPUExecutionProvider'): string =>
  event('Node', `${name}_kernel_time`, ts, dur, { op_name: type, provider, node_index: '1' });
const run = (ts: number, dur: number): string => event('Session', 'model_run', ts, dur);
const trace = (...events: string[]): string[] => [
  '[',
  event('Session', 'session_initialization', 0, 5),
  ...events,
  ']',
];

const reportOf = async (lines: readonly string[], warmUp = 0, frames = 1) => {
  const sums = new OperatorSums();
  await sums.add(lines, null, warmUp);
  return sums.report(frames);
};

describe('the sums of a trace', () => {
  it('are by operator and by type, the slowest first, and no more than the runs', async () => {
    const one = [node('a', 'Conv', 100, 50), node('b', 'Relu', 150, 5), node('c', 'Conv', 155, 20), run(90, 100)];
    const two = [node('a', 'Conv', 200, 30), node('b', 'Relu', 230, 5), node('c', 'Conv', 235, 20), run(190, 80)];
    const report = await reportOf(trace(...one, ...two), 0, 2);
    const common = { model: null, provider: 'CPUExecutionProvider', calls: 2 };
    expect(report).toEqual({
      frames: 2,
      runs: 2,
      runUs: 180,
      operatorUs: 130,
      operators: 3,
      slowest: [
        { ...common, name: 'a', type: 'Conv', totalUs: 80 },
        { ...common, name: 'c', type: 'Conv', totalUs: 40 },
        { ...common, name: 'b', type: 'Relu', totalUs: 10 },
      ],
      types: [
        { type: 'Conv', provider: 'CPUExecutionProvider', operators: 2, calls: 4, totalUs: 120 },
        { type: 'Relu', provider: 'CPUExecutionProvider', operators: 1, calls: 2, totalUs: 10 },
      ],
    });
  });

  it('leave out the runs at the beginning that warm up', async () => {
    const lines = trace(node('a', 'Conv', 10, 900), run(5, 910), node('a', 'Conv', 1000, 7), run(999, 9));
    expect(await reportOf(lines, 1)).toMatchObject({ runs: 1, runUs: 9, operatorUs: 7, slowest: [{ calls: 1 }] });
  });

  it('count what runs inside of an operator once, and as what it is', async () => {
    // An If, in whose branch a Loop runs a MatMul twice; each is written at its end.
    const inner = [node('m', 'MatMul', 120, 20), node('m', 'MatMul', 145, 20), node('l', 'Loop', 115, 60)];
    const { slowest, operatorUs } = await reportOf(
      trace(node('x', 'Relu', 100, 3), ...inner, node('i', 'If', 110, 70), node('y', 'Relu', 185, 4), run(95, 100)),
    );
    expect(Object.fromEntries(slowest.map(({ name, totalUs }) => [name, totalUs]))).toEqual({
      m: 40,
      l: 20,
      i: 10,
      x: 3,
      y: 4,
    });
    expect(operatorUs).toBe(77);
  });

  it('tell the same node on two providers apart', async () => {
    const lines = trace(node('a', 'Conv', 1, 2), node('a', 'Conv', 3, 4, 'CUDAExecutionProvider'), run(0, 9));
    expect((await reportOf(lines)).slowest.map(({ provider, totalUs }) => [provider, totalUs])).toEqual([
      ['CUDAExecutionProvider', 4],
      ['CPUExecutionProvider', 2],
    ]);
  });

  it('name the slowest thirty, and hold all of them', async () => {
    const nodes = Array.from({ length: 40 }, (_, i) => node(`n${i}`, `T${i}`, 1_000 * i, i + 1));
    const report = await reportOf(trace(...nodes, run(0, 50_000)));
    expect(report.slowest).toHaveLength(MOST_PROFILED_OPERATORS);
    expect(report.slowest[0]).toMatchObject({ name: 'n39', totalUs: 40 });
    expect(report).toMatchObject({ operators: 40, operatorUs: (40 * 41) / 2 });
    expect(report.types).toHaveLength(MOST_PROFILED_OPERATORS);
  });

  it('keep the models of a release apart', async () => {
    const sums = new OperatorSums();
    await sums.add(trace(node('a', 'Conv', 1, 2), run(0, 4)), 'find', 0);
    await sums.add(trace(node('a', 'Conv', 1, 3), run(0, 5)), 'read', 0);
    expect(sums.report(1)).toMatchObject({ runs: 2, runUs: 9, slowest: [{ model: 'read' }, { model: 'find' }] });
  });

  it('pass over a line that cannot be read, whatever a node is called', async () => {
    const odd = node('a "quoted" one', 'Conv', 1, 2);
    const report = await reportOf(trace(odd, node('b', 'Conv', 4, 2), run(0, 9)));
    expect(report.slowest.map(({ name }) => name)).toEqual(['b']);
  });

  it.each([
    ['was cut off', ['[', node('a', 'Conv', 1, 2), run(0, 9), '{"cat" : "No'], 'cut off'],
    ['has no runs', trace(node('a', 'Conv', 1, 2)), 'no runs that could be understood'],
    ['is empty', [], 'cut off'],
  ])('are refused of one that %s', async (_, lines, words) => {
    await expect(reportOf(lines)).rejects.toMatchObject({
      code: 'trace-unreadable',
      message: expect.stringContaining(words),
    });
  });
});
