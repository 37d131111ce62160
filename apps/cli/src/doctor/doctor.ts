import type { Connection } from '../connection.ts';
import { makeKeyRequest } from '../key-request.ts';
import { type Check, failed, wordsOf } from './check.ts';
import { askDiagnosis, checkDiagnosis, checkReady } from './control-plane-checks.ts';
import type { ProbeIdentity } from './probe-session.ts';
import { checkCertificateRequired, checkOldTls, checkServer } from './tls-checks.ts';
import { checkTopics } from './topic-checks.ts';

interface Addresses {
  readonly deviceUrl: string;
  readonly mqttUrl: string;
}

/** Tests a live deployment as a device would use it, with two identities that are made for it and taken back. */
export class Doctor {
  readonly #connection: Connection;
  readonly #probes: Promise<string>[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** @param found each check as soon as it is known */
  async examine(found: (check: Check) => void): Promise<void> {
    const { baseUrl, client } = this.#connection;
    const ready = await checkReady(baseUrl);
    found(ready);
    if (!ready.ok) return;
    const answer = await askDiagnosis(client);
    if ('ok' in answer) return found(answer);
    checkDiagnosis(answer).forEach(found);

    let probes: { first: ProbeIdentity & Addresses; second: ProbeIdentity };
    try {
      probes = { first: await this.#makeProbe(), second: await this.#makeProbe() };
    } catch (error) {
      return found(failed('probes', wordsOf(error), 'The log of the control plane says why.'));
    }
    const { first, second } = probes;
    const { deviceUrl, mqttUrl } = first;
    found(await checkServer('device-plane', deviceUrl, first, 'Start the api again: it makes a new one.'));
    const isEmbedded = answer.diagnosis.broker === 'embedded';
    const renewal = isEmbedded
      ? 'Start the gateway again: it makes a new one.'
      : 'Make a new one: aviary broker config, and start the broker again.';
    const mqtt = await checkServer('mqtt-tls', mqttUrl, first, renewal);
    found(mqtt);
    if (!mqtt.ok) return;
    found(await checkOldTls(mqttUrl, first));
    found(await checkCertificateRequired(mqttUrl, first));
    (await checkTopics(mqttUrl, first, second)).forEach(found);
  }

  /** Takes back what was made for the test, also what was being made when it was interrupted. */
  async tidyUp(): Promise<void> {
    const made = await Promise.allSettled(this.#probes);
    const ids = made.flatMap((probe) => (probe.status === 'fulfilled' ? [probe.value] : []));
    // One that stays is of no use to anybody: its key goes with this process, and it expires.
    await Promise.allSettled(ids.map((id) => this.#connection.client.removeProbe({ params: { id } })));
  }

  async #makeProbe(): Promise<ProbeIdentity & Addresses> {
    const { key, csr } = await makeKeyRequest();
    const making = this.#connection.client.createProbe({ body: { csr } });
    this.#probes.push(making.then(({ id }) => id));
    return { ...(await making), key };
  }
}
