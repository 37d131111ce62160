import { describe, expect, it } from 'vitest';
import { PublicAddresses } from './public-addresses.ts';

describe('PublicAddresses', () => {
  it.each([
    ['fleet.example', 'https://fleet.example:8443', 'mqtts://fleet.example:8883'],
    ['192.0.2.7', 'https://192.0.2.7:8443', 'mqtts://192.0.2.7:8883'],
    ['2001:db8::7', 'https://[2001:db8::7]:8443', 'mqtts://[2001:db8::7]:8883'],
  ])('of %s', (publicHost, deviceUrl, mqttUrl) => {
    const addresses = new PublicAddresses({ publicHost, devicePort: 8443, mqttPort: 8883 });
    expect(addresses).toMatchObject({ deviceUrl, mqttUrl });
    for (const url of [addresses.deviceUrl, addresses.mqttUrl]) {
      expect(new URL(url).hostname.replace(/^\[|\]$/g, '')).toBe(publicHost);
    }
  });
});
