import { resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import { AviaryCommand, portFlag } from '../../aviary-command.ts';
import { BROKERS, findPlugin, writeBrokerFolder } from '../../broker/broker-folder.ts';
import { makeKeyRequest } from '../../key-request.ts';

export default class BrokerConfig extends AviaryCommand {
  static override summary = 'Write all that an external MQTT broker needs into a folder';

  static override description =
    'Configuration, access list, certificates, and a private key that is made here and leaves this machine only with the folder. Done again, it makes a new key and certificate, and keeps what the broker has written. For admins.';

  static override examples = [
    '<%= config.bin %> broker config mosquitto --out ./broker --host broker.example',
    '<%= config.bin %> broker config emqx --out ./broker --path /opt/emqx/etc/aviary --host broker.example',
  ];

  static override args = {
    broker: Args.string({ description: 'mosquitto or emqx', required: true, options: [...BROKERS] }),
  };

  static override flags = {
    out: Flags.string({ description: 'the folder', required: true }),
    host: Flags.string({
      description: 'a name or address under which devices or gateways reach the broker; may be given several times',
      required: true,
      multiple: true,
    }),
    path: Flags.string({ description: 'where the folder will lie on the broker’s machine (where --out is)' }),
    listen: Flags.string({ description: 'address to listen on (all)' }),
    'mqtt-port': portFlag({ description: 'where devices come in', default: '8883' }),
    'gateway-port': portFlag({ description: 'where gateways come in', default: '8884' }),
    plugin: Flags.string({ description: 'Mosquitto’s dynamic security plugin (where this machine has it)' }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(BrokerConfig);
    const kind = BROKERS.find((name) => name === args.broker) ?? 'mosquitto';
    const { client } = await this.connect(flags);
    const { key, csr } = await makeKeyRequest();
    const answer = await client.certifyBroker({ body: { csr, hosts: flags.host } });
    const out = resolve(flags.out);
    const settings = {
      dir: flags.path ?? out,
      listen: flags.listen,
      devicePort: flags['mqtt-port'],
      gatewayPort: flags['gateway-port'],
      plugin: flags.plugin ?? findPlugin(),
    };
    const written = await writeBrokerFolder(kind, out, settings, { ...answer, key });
    this.log(written.map((name) => `${out}/${name}`).join('\n'));
    const [host] = flags.host;
    this.logToStderr(
      [
        `The certificate of the broker expires on ${new Date(answer.expiresAt).toISOString().slice(0, 10)}; run this again before.`,
        'Give the folder to the user that the broker runs as (server.key is for nobody else), and start the broker.',
        `Gateways: MQTT_URL=mqtts://${host}:${settings.gatewayPort}. Devices come in at mqtts://${host}:${settings.devicePort}.`,
      ].join('\n'),
    );
  }
}
