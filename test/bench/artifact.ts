import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deviceRoutes, routeUrl } from '@aviary/protocol';
import { runToEnd } from '../../apps/cli/src/demo/child-process.ts';
import { runPeer } from '../support/peer.ts';
import { TestFleet } from '../support/test-fleet.ts';
import type { DeviceReport } from './artifact/device-rounds.ts';
import { assignLargeRelease, type WaitingDevice } from './artifact/large-release.ts';
import { startNginx } from './artifact/nginx.ts';
import { type Bench, median } from './harness.ts';

const DEVICE = fileURLToPath(new URL('artifact/device.ts', import.meta.url));
const MB = 2 ** 20;
const SMALL = 20 * MB;
const MIDDLE = 200 * MB;
const LARGE = 400 * MB;
const ROUNDS = 7;
const MEMORY_ROUNDS = 5;

/** Lets a process of its own bring a release here so many times. */
const bring = async ({ stateDirectory }: WaitingDevice, rounds: number): Promise<DeviceReport> =>
  JSON.parse(await runToEnd(DEVICE, [stateDirectory, `${rounds}`])) as DeviceReport;

/** Fetches a file to nowhere, with the certificate of a device. @returns milliseconds from the request to the last byte */
const fetchIt = async (url: string, caFile: string, device: WaitingDevice, bytes: number): Promise<number> => {
  const identity = (file: string): string => join(device.stateDirectory, 'identity', file);
  const credentials = ['--cacert', caFile, '--cert', identity('device.pem'), '--key', identity('device.pem')];
  const format = '%{http_code} %{size_download} %{time_pretransfer} %{time_total}';
  const answer = await runPeer(
    'curl',
    ['-s', '--http1.1', '-o', '/dev/null', '-w', format, ...credentials, url],
    'curl',
  );
  const [status, size, asked, ended] = answer.stdout.toString().split(' ').map(Number);
  if (status !== 200 || size !== bytes) throw new Error(`expected ${bytes} bytes of ${url}, got ${answer.stdout}`);
  return (Number(ended) - Number(asked)) * 1000;
};

const bench: Bench = {
  about: `a model of ${MIDDLE / MB} MB from the control plane to a device over mutual TLS: download, verify, decrypt; nginx beside it`,
  async run(report) {
    const fleet = await TestFleet.start();
    try {
      const device = await assignLargeRelease(fleet, MIDDLE);
      const { rounds } = await bring(device, ROUNDS);
      const serial = median(rounds.map((round) => round.serial));
      report({
        figure: `download, verify and decrypt ${MIDDLE / MB} MB`,
        value: MIDDLE / MB / (median(rounds.map(({ ours }) => ours)) / 1000),
        unit: 'MB/s',
        versus: `SHA-256, then ChaCha20-Poly1305 over the same bytes in memory (${(MIDDLE / MB / (serial / 1000)).toFixed(0)} MB/s)`,
        ratio: median(rounds.map((round) => round.serial / round.ours)),
        goal: { at: 'least', ratio: 0.5 },
      });

      const { sha256, length } = device.release;
      const nginx = await startNginx(join(fleet.directory, 'nginx'), join(fleet.data, 'blobs', sha256.slice(0, 2)));
      try {
        const served: { ours: number; nginx: number }[] = [];
        const own = `${fleet.deviceUrl}${routeUrl(deviceRoutes.blob, { params: { sha256 } })}`;
        const fleetCa = join(device.stateDirectory, 'identity', 'fleet-ca.crt');
        for (let round = 0; round < ROUNDS; round += 1) {
          const ours = await fetchIt(own, fleetCa, device, length);
          served.push({ ours, nginx: await fetchIt(`${nginx.url}/${sha256}`, nginx.caFile, device, length) });
        }
        const peer = median(served.map((round) => round.nginx));
        report({
          figure: `serve ${MIDDLE / MB} MB`,
          value: length / MB / (median(served.map(({ ours }) => ours)) / 1000),
          unit: 'MB/s',
          versus: `nginx, one worker, the same TLS (${(length / MB / (peer / 1000)).toFixed(0)} MB/s), both read by curl`,
          ratio: median(served.map((round) => round.nginx / round.ours)),
          goal: { at: 'least', ratio: 1 },
        });
      } finally {
        await nginx.stop();
      }

      const [small, large] = [await assignLargeRelease(fleet, SMALL), await assignLargeRelease(fleet, LARGE)];
      const peaks: { small: number; large: number }[] = [];
      for (let round = 0; round < MEMORY_ROUNDS; round += 1) {
        peaks.push({ small: (await bring(small, 1)).peakBytes, large: (await bring(large, 1)).peakBytes });
      }
      report({
        figure: `peak memory of a device process with ${LARGE / MB} MB, the plain model itself in tmpfs apart`,
        value: median(peaks.map((round) => round.large)) / MB,
        unit: 'MB',
        versus: `the same with ${SMALL / MB} MB (${(median(peaks.map((round) => round.small)) / MB).toFixed(0)} MB)`,
        ratio: median(peaks.map((round) => round.large / round.small)),
        goal: { at: 'most', ratio: 1.1 },
      });
    } finally {
      await fleet.stop();
    }
  },
};
export default bench;
