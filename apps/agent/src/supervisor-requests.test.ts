import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { grayPng } from './inference/testing/light-release.ts';
import { ask, askMetrics, openResults, postPicture } from './testing/local-client.ts';
import { sealLightRelease } from './testing/sealed-light-release.ts';
import type { SealedRelease } from './testing/sealed-release.ts';
import { supervisedDevices } from './testing/supervised-device.ts';

const { prepare, start, storingGateway } = supervisedDevices();
let light: SealedRelease;

beforeAll(async () => {
  light = await sealLightRelease('light-reader@1.0.0');
});

const EXAMPLE = fileURLToPath(new URL('../../../docs/examples/ask.mjs', import.meta.url));

const NAME = /^[a-z_][a-z0-9_]*$/;
const LINE = /^([a-z_][a-z0-9_]*)(?:\{((?:[a-z0-9_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$/;

/** Reads Prometheus' text format as a scraper would: every sample belongs to a family that was announced before it. */
const parse = (text: string): Map<string, number> => {
  expect(text.endsWith('\n')).toBe(true);
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of text.slice(0, -1).split('\n')) {
    const [, name = '', type = ''] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? [];
    if (name !== '') {
      expect(name).toMatch(NAME);
      expect(types.has(name)).toBe(false);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      types.set(name, type);
    } else if (!line.startsWith('# HELP ')) {
      const [, metric = '', labels = '', value] = LINE.exec(line) ?? [];
      const family = types.has(metric) ? metric : metric.replace(/_(bucket|sum|count)$/, '');
      expect(types.has(family), line).toBe(true);
      expect(Number.isFinite(Number(value)), line).toBe(true);
      samples.set(labels === '' ? metric : `${metric}{${labels}}`, Number(value));
    }
  }
  return samples;
};

describe('an application on the board', () => {
  it('that is the example of the docs gets an answer', async () => {
    const { options, pictures } = await prepare(light);
    await start(options);
    const isServing = async () => (await ask(options.socket ?? '', 'GET', '/healthz')).body.status;
    await expect.poll(isServing, { timeout: 20_000 }).toBe('serving');
    const example = (file: string) => promisify(execFile)(process.execPath, [EXAMPLE, options.socket ?? '', file]);
    const { stdout } = await example(join(pictures, '1.png'));
    expect(JSON.parse(stdout)).toMatchObject({ source: '1.png', label: 'light', release: 'light-reader@1.0.0' });
    await expect(example(EXAMPLE)).rejects.toThrow('frame-undecodable');
  });

  it('asks the model about its own pictures, without a camera, and sees what the agent counts', async () => {
    const { options } = await prepare(light, { source: null });
    const { mqttUrl, records } = await storingGateway();
    await start(options, { mqttUrl });
    const socket = options.socket ?? '';
    const post = async (gray: number) => postPicture(socket, '?source=hatch', 'image/png', await grayPng(gray));
    await expect.poll(async () => (await post(0)).status, { timeout: 20_000 }).toBe(200);

    const reader = await openResults(socket);
    const { body } = await post(204);
    expect(body).toMatchObject({
      source: 'hatch',
      release: 'light-reader@1.0.0',
      label: 'light',
      lowConfidence: false,
    });
    expect(body.confidence).toBeCloseTo(0.99993228, 6);
    // Who reads the stream sees it, too, word for word.
    expect((await reader.next())?.data).toEqual(body);
    const raw = Uint8Array.of(0, 0, 0, 0);
    const pixels = await postPicture(socket, '?width=2&height=2&channels=1', 'application/octet-stream', raw);
    expect(pixels).toMatchObject({ status: 200, body: { source: 'request', label: 'dark' } });
    expect(await postPicture(socket, '', 'image/png', Buffer.from('none'))).toMatchObject({
      status: 422,
      body: { code: 'frame-undecodable' },
    });

    await expect
      .poll(() => records().flatMap((record) => (record.type === 'metrics' ? [record] : [])), { timeout: 20_000 })
      .toContainEqual(expect.objectContaining({ release: 'light-reader@1.0.0', errors: 0, dropped: 0 }));

    const { type, text } = await askMetrics(socket);
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8');
    const samples = parse(text);
    const value = (name: string) => samples.get(`aviary_agent_${name}`);
    expect(value('frames_total{origin="source"}')).toBe(0);
    expect(value('frames_total{origin="request"}')).toBe(3);
    expect(value('frame_duration_seconds_count')).toBe(3);
    expect(value('frame_duration_seconds_bucket{le="+Inf"}')).toBe(3);
    expect(value('local_problems_total{code="frame-undecodable"}')).toBe(1);
    expect(value('result_readers')).toBe(1);
    expect(value('connected')).toBe(1);
    expect(value('serving')).toBe(1);
    const { digest } = light.held;
    expect(value(`release_info{release="light-reader@1.0.0",digest="${digest}",provider="cpu"}`)).toBe(1);
    expect(value('resident_memory_bytes')).toBeGreaterThan(2 ** 20);
    expect(samples.has('aviary_agent_capture_flowing')).toBe(false);
    reader.close();
  });
});
