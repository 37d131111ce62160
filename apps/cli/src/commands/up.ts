import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Command, Flags } from '@oclif/core';
import { dataDirectory } from '../access/credentials.ts';
import { portFlag } from '../aviary-command.ts';

export default class Up extends Command {
  static override summary = 'Start a control plane on this machine: PostgreSQL, API, MQTT gateway, conductor';

  static override description =
    'Needs nothing but Node: a real PostgreSQL is brought along, unless DATABASE_URL names another. Whatever was killed is started again; Ctrl-C stops everything in order.';

  static override examples = [
    '<%= config.bin %> up',
    '<%= config.bin %> up --data /srv/aviary --public-host fleet.example --host 0.0.0.0',
  ];

  static override flags = {
    data: Flags.string({ description: 'where keys, blobs and the database live (AVIARY_DATA, .aviary)' }),
    host: Flags.string({ description: 'address to listen on' }),
    'public-host': Flags.string({ description: 'name under which devices reach this machine' }),
    'public-url': Flags.string({ description: 'address of the console where a proxy with TLS shows it' }),
    'http-port': portFlag({ description: 'admin plane (8080)' }),
    'device-port': portFlag({ description: 'device plane, HTTPS (8443)' }),
    'mqtt-port': portFlag({ description: 'MQTT over TLS (8883)' }),
    'mqtt-url': Flags.string({ description: 'an MQTT broker of your own, where gateways come in (MQTT_URL)' }),
    'public-mqtt-url': Flags.string({ description: 'where devices come in to that broker' }),
    'emqx-url': Flags.string({ description: 'HTTP API of that broker, where it is EMQX' }),
    'device-cert-days': Flags.string({ description: 'for how long certificates of devices are valid, 7 to 30 (30)' }),
    separate: Flags.boolean({ description: 'one process per role' }),
    'log-level': Flags.option({
      options: ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const,
      description: 'how much to tell',
    })(),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Up);
    const given = { ...flags, data: flags.data ?? dataDirectory() };
    const options = Object.entries(given).flatMap(([name, value]) =>
      value === true ? [`--${name}`] : typeof value === 'string' ? [`--${name}`, value] : [],
    );
    const program = fileURLToPath(import.meta.resolve('@aviary/control-plane/bin'));
    const child = spawn(process.execPath, [program, 'all', ...options], { stdio: ['ignore', 'inherit', 'inherit'] });
    // On a terminal the child hears Ctrl-C itself as well; hearing it twice changes nothing.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (status) => resolve(status ?? 1));
    });
    this.exit(code);
  }
}
