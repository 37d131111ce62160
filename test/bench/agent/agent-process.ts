import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceTopics } from '@aviary/protocol';
import { writeCredentials } from '../../../apps/agent/src/identity/credentials.ts';
import { grayPng } from '../../../apps/agent/src/inference/testing/light-release.ts';
import { Journal } from '../../../apps/agent/src/state/journal.ts';
import { makePki } from '../../../apps/agent/src/testing/fleet-pki.ts';
import { sealLightRelease } from '../../../apps/agent/src/testing/sealed-light-release.ts';
import { identity } from '../../../apps/agent/src/testing/sealed-release.ts';
import { TestGateway } from '../../../apps/agent/src/testing/test-gateway.ts';

const PATIENCE_MS = 30_000;

export interface AgentOptions {
  /** The agent, as its package has it. */
  readonly program: string;
  /** Whether a release serves, which reads pictures; without one it is idle. */
  readonly serving: boolean;
  readonly telemetrySeconds: number;
  /** A program that starts the agent as its child, with its arguments. */
  readonly under?: readonly string[];
}

/** A real agent that has joined, in a process of its own; its gateway, which stores everything, is in this one. */
export class AgentProcess {
  readonly child: ChildProcess;
  readonly #folder: string;
  readonly #gateway: TestGateway;

  private constructor(child: ChildProcess, folder: string, gateway: TestGateway) {
    this.child = child;
    this.#folder = folder;
    this.#gateway = gateway;
  }

  /** Resolves once the gateway has heard of it, and of the release that serves, if one does. */
  static async start({ program, serving, telemetrySeconds, under = [] }: AgentOptions): Promise<AgentProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'aviary-bench-agent-'));
    const { fleetCa, server, device } = await makePki(identity.deviceId);
    const gateway = new TestGateway();
    const topics = deviceTopics(identity.deviceId);
    const told = new Promise<void>((resolve) => {
      gateway.onPublished = (topic, payload) => {
        // All that came is not kept: this process is none of those that are measured, and goes on for long.
        gateway.published.length = 0;
        if (topic !== topics.telemetry) return;
        const { seq } = JSON.parse(payload) as { seq: number };
        gateway.publish(topics.ack, JSON.stringify({ epoch: identity.epoch, seq }));
        if (payload.includes(serving ? '"type":"metrics"' : '"type":"facts"')) resolve();
      };
    });
    const mqttUrl = `mqtts://127.0.0.1:${await gateway.start(fleetCa, server)}`;
    const { deviceId, epoch, deviceUrl, root, ageIdentity, keeping } = identity;
    await mkdir(join(folder, 'identity'));
    await writeCredentials(join(folder, 'identity'), device, keeping);
    const files = {
      'enrolment.json': JSON.stringify({ deviceId, epoch, deviceUrl, mqttUrl, root }),
      'fleet-ca.crt': fleetCa,
      'age.key': `${ageIdentity}\n`,
    };
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, 'identity', name), content);
    await mkdir(join(folder, 'pictures'));
    await writeFile(join(folder, 'pictures', '1.png'), await grayPng(255));
    if (serving) {
      const release = await sealLightRelease('light-reader@1.0.0');
      await mkdir(join(folder, 'releases'));
      await writeFile(join(folder, 'releases', release.held.sha256), release.sealed);
      const journal = await Journal.open(folder, identity);
      await journal.update(() => ({ committed: release.held }));
    }
    const args = ['run', '--state-dir', folder, '--source', `dir:${join(folder, 'pictures')}`, '--fps', '20'];
    const [command = program, ...rest] = [
      ...under,
      program,
      ...args,
      '--telemetry-seconds',
      String(telemetrySeconds),
      '--plaintext-dir',
      join(folder, 'plain'),
    ];
    const child = spawn(command, rest, {
      env: { ...process.env, AVIARY_LOG_LEVEL: 'error' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const agent = new AgentProcess(child, folder, gateway);
    let late: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      late = setTimeout(() => reject(new Error(`the agent told nothing within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
      child.once('close', (code) => reject(new Error(`the agent ended with ${code}`)));
    });
    try {
      await Promise.race([told, tooLate]);
    } catch (error) {
      await agent.stop();
      throw error;
    } finally {
      clearTimeout(late);
      tooLate.catch(() => undefined);
    }
    return agent;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const closed = once(this.child, 'close');
      this.child.kill('SIGTERM');
      await closed;
    }
    await this.#gateway.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
