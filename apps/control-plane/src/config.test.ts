import { describe, expect, it } from 'vitest';
import { readConfig, UsageError } from './config.ts';

const refusal = (args: readonly string[], environment: NodeJS.ProcessEnv = {}): string => {
  try {
    readConfig(args, environment);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  }
  throw new Error('it was taken');
};

describe('readConfig', () => {
  it('has a default for everything', () => {
    expect(readConfig(['all'], {})).toEqual({
      command: 'all',
      config: {
        data: '.aviary',
        host: '127.0.0.1',
        publicHost: '127.0.0.1',
        httpPort: 8080,
        devicePort: 8443,
        mqttPort: 8883,
        roles: ['api', 'conductor'],
        separate: false,
        logLevel: 'info',
        deviceCertSeconds: 30 * 86_400,
      },
    });
  });

  it('takes days for certificates of devices, from a week to a month', () => {
    const seconds = (days: string) => readConfig(['run', '--device-cert-days', days], {}).config.deviceCertSeconds;
    expect(seconds('7')).toBe(7 * 86_400);
    expect(readConfig(['run'], { AVIARY_DEVICE_CERT_DAYS: '14' }).config.deviceCertSeconds).toBe(14 * 86_400);
    for (const days of ['6', '31', 'many']) expect(() => seconds(days)).toThrow(`device-cert-days: `);
  });

  it('reads the environment, flags win, and what is empty was not said', () => {
    const environment = {
      AVIARY_HTTP_PORT: '9090',
      AVIARY_DEVICE_PORT: '9443',
      AVIARY_HOST: '',
      AVIARY_SEPARATE: 'true',
      DATABASE_URL: 'postgres://somewhere/aviary',
    };
    const { config } = readConfig(['run', '--http-port', '7070', '--roles', ' gateway , api'], environment);
    expect(config).toMatchObject({
      httpPort: 7070,
      devicePort: 9443,
      host: '127.0.0.1',
      separate: true,
      databaseUrl: 'postgres://somewhere/aviary',
      roles: ['gateway', 'api'],
    });
  });

  it('gives a role once, however often it is named', () => {
    expect(readConfig(['run', '--roles', 'api,gateway,api'], {}).config.roles).toEqual(['api', 'gateway']);
  });

  it('names every wrong value at once, as it is written on the command line', () => {
    const words = refusal([
      'run',
      '--http-port',
      '0',
      '--mqtt-port',
      'x',
      '--roles',
      'api,janitor',
      '--log-level',
      'loud',
    ]);
    for (const part of [
      'http-port:',
      'got "0"',
      'mqtt-port:',
      'got "x"',
      'roles:',
      '"api,janitor"',
      'log-level:',
      'debug',
      '--help',
    ]) {
      expect(words).toContain(part);
    }
  });

  it('reads where an external broker is, MQTT_URL without a prefix', () => {
    const environment = {
      MQTT_URL: 'mqtts://broker.internal:8884/',
      AVIARY_PUBLIC_MQTT_URL: 'mqtts://broker.example:8883',
      AVIARY_EMQX_URL: 'http://broker.internal:18083/',
      AVIARY_EMQX_KEY: 'key:secret',
    };
    expect(readConfig(['run'], environment).config).toMatchObject({
      mqttUrl: 'mqtts://broker.internal:8884',
      publicMqttUrl: 'mqtts://broker.example:8883',
      emqxUrl: 'http://broker.internal:18083',
      emqxKey: 'key:secret',
    });
  });

  it.each<[string, NodeJS.ProcessEnv, string]>([
    ['a broker without TLS', { MQTT_URL: 'mqtt://broker.internal' }, 'mqtt-url: expected an address such as mqtts://'],
    ['EMQX without its key', { MQTT_URL: 'mqtts://b:1', AVIARY_EMQX_URL: 'http://b' }, 'AVIARY_EMQX_KEY'],
    ['EMQX without a broker', { AVIARY_EMQX_URL: 'http://b', AVIARY_EMQX_KEY: 'a:b' }, 'MQTT_URL'],
  ])('refuses %s', (_, environment, words) => {
    expect(refusal(['run'], environment)).toContain(words);
  });

  it('does not repeat the key to EMQX', () => {
    const words = refusal(['run'], { AVIARY_EMQX_KEY: 'hunter2' });
    expect(words).toContain('emqx-key: expected KEY:SECRET');
    expect(words).not.toContain('hunter2');
  });

  it('does not repeat the password of a database', () => {
    const words = refusal(['run'], { DATABASE_URL: 'mysql://aviary:hunter2@db/aviary' });
    expect(words).toContain('database-url');
    expect(words).toContain('postgres://');
    expect(words).not.toContain('hunter2');
  });

  it('takes the master key from the environment alone, and repeats nothing of it', () => {
    const environment = { AVIARY_MASTER_KEY: 'not a key', AVIARY_MASTER_KEY_COMMAND: ' ' };
    expect(readConfig(['run'], environment).config).toMatchObject({ masterKey: 'not a key' });
    expect(readConfig(['run'], environment).config.masterKeyCommand).toBeUndefined();
    expect(refusal(['run', '--http-port', 'x'], environment)).not.toContain('not a key');
    expect(refusal(['run', '--master-key', 'not a key'])).toContain("Unknown option '--master-key'");
  });

  it.each([
    [['--new-key-file', 'f'], { kind: 'file', file: 'f' }],
    [['--new-key-command', 'c d'], { kind: 'command', command: 'c d' }],
    [['--finish'], { kind: 'finish' }],
  ])('reads what to do with the master key from %j', (args, rotation) => {
    expect(readConfig(['rotate-master-key', ...args], {})).toMatchObject({ command: 'rotate-master-key', rotation });
  });

  it.each([
    [['rotate-master-key'], 'got none'],
    [['rotate-master-key', '--finish', '--new-key-file', 'f'], 'got 2'],
    [['run', '--finish'], 'belong to "rotate-master-key", not to "run"'],
  ])('refuses %j', (args, words) => {
    expect(refusal(args)).toContain(words);
  });

  it.each([
    [['walk'], 'Expected "all", "run" or "rotate-master-key", got "walk"'],
    [['run', 'all'], 'Expected "all", "run" or "rotate-master-key", got "run all"'],
    [['run', '--hots', 'x'], "Unknown option '--hots'"],
    [['run', '--host'], 'argument missing'],
  ])('refuses %j with how to do it', (args, words) => {
    const message = refusal(args);
    expect(message).toContain(words);
    expect(message).toContain('Usage: aviary-control-plane');
  });

  it.each([[[]], [['help']], [['--help']], [['run', '-h']]])('helps with %j, whatever the environment says', (args) => {
    expect(readConfig(args, { AVIARY_HTTP_PORT: 'x' }).command).toBe('help');
  });
});
