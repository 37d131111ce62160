import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { attackedDevices } from './attacked-device.ts';
import { isBlob, isMetadata, MOST_BYTES, pour } from './hostile-plane.ts';

const { releaseOf, begun } = attackedDevices();
const [first, second, third] = await Promise.all([releaseOf(1), releaseOf(2), releaseOf(3)]);

describe('malicious mirror', () => {
  it('that gives out other bytes of the same length is found out before they are opened', async () => {
    const { device, plane } = await begun(first);
    device.published(second);
    device.isAssigned(second);
    const { sha256, length } = second.held;
    plane.blobs.set(sha256, Buffer.alloc(length, third.sealed));
    await device.gaveUp('download-corrupt');
    expect(device.served).toEqual([first.held.release]);
    await device.takes(third);
  });
});

describe('endless data', () => {
  it('instead of a release is cut off at the signed length', async () => {
    const { device, plane } = await begun(first);
    device.published(second);
    device.isAssigned(second);
    let sent = (): number => MOST_BYTES;
    plane.bend = (path, response) => {
      if (!isBlob(path)) return false;
      response.writeHead(200);
      response.write(second.sealed);
      sent = pour(response);
      return true;
    };
    await device.gaveUp('download-corrupt');
    expect(sent()).toBeLessThan(MOST_BYTES);
    expect(device.served).toEqual([first.held.release]);
    plane.bend = () => false;
    await device.takes(third);
  });
});

describe('slow retrieval', () => {
  /** A byte now and then, so that the connection never looks dead. */
  const drip = (response: ServerResponse, bytes: Uint8Array): void => {
    response.writeHead(200);
    let at = 0;
    const timer = setInterval(() => response.write(bytes.subarray(at, ++at)), 50);
    response.once('close', () => clearInterval(timer));
  };

  it('of a release is given up for now, and gone on with where somebody sends it', async () => {
    const { device, plane } = await begun(first, { patienceSeconds: 0.5 });
    const begunAt: number[] = [];
    const givenUp: boolean[] = [];
    plane.bend = (path, response) => {
      if (!isBlob(path)) return false;
      begunAt.push(performance.now());
      response.once('close', () => givenUp.push(true));
      drip(response, second.sealed);
      return true;
    };
    device.published(second);
    device.isAssigned(second);
    await expect.poll(() => givenUp.length).toBeGreaterThanOrEqual(2);
    expect(device.served).toEqual([first.held.release]);
    plane.bend = () => false;
    await device.comesToServe(second);
  });

  it('of metadata is given up for now', async () => {
    const { device, plane, repository } = await begun(first, { patienceSeconds: 0.5 });
    let givenUp = 0;
    device.published(second);
    plane.bend = (path, response) => {
      if (!isMetadata(path, 'timestamp.json')) return false;
      response.once('close', () => {
        givenUp += 1;
      });
      drip(response, Buffer.from(repository.file('timestamp.json')));
      return true;
    };
    device.isAssigned(second);
    await expect.poll(() => givenUp).toBeGreaterThanOrEqual(2);
    expect(device.served).toEqual([first.held.release]);
    plane.bend = () => false;
    await device.comesToServe(second);
  });
});
