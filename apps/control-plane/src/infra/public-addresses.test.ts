import { describe, expect, it } from 'vitest';
import { PublicAddresses } from './public-addresses.ts';

const PORTS = { httpPort: 8080, devicePort: 8443, mqttPort: 8883 };

describe('PublicAddresses', () => {
  it.each([
    ['fleet.example', 'https://fleet.example:8443', 'mqtts://fleet.example:8883'],
    ['192.0.2.7', 'https://192.0.2.7:8443', 'mqtts://192.0.2.7:8883'],
    ['2001:db8::7', 'https://[2001:db8::7]:8443', 'mqtts://[2001:db8::7]:8883'],
  ])('of %s', (publicHost, deviceUrl, mqttUrl) => {
    const addresses = new PublicAddresses({ ...PORTS, host: '0.0.0.0', publicHost });
    expect(addresses).toMatchObject({ deviceUrl, mqttUrl });
    for (const url of [addresses.deviceUrl, addresses.mqttUrl]) {
      expect(new URL(url).hostname.replace(/^\[|\]$/g, '')).toBe(publicHost);
    }
  });

  it.each([
    ['127.0.0.1', 'fleet.example', undefined, 'http://127.0.0.1:8080', false],
    ['0.0.0.0', 'fleet.example', undefined, 'http://fleet.example:8080', false],
    ['::', '::', undefined, 'http://localhost:8080', false],
    ['::1', '::1', undefined, 'http://[::1]:8080', false],
    ['127.0.0.1', '127.0.0.1', 'https://fleet.example', 'https://fleet.example', true],
  ])('the console of %s, %s, %s', (host, publicHost, publicUrl, consoleUrl, behindProxy) => {
    expect(new PublicAddresses({ ...PORTS, host, publicHost, publicUrl })).toMatchObject({ consoleUrl, behindProxy });
  });
});
