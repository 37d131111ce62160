import { randomBytes } from 'node:crypto';
import type { Logger } from '../../infra/log.ts';
import { BrokerConnection, type BrokerPlace, type ConnectionPurpose } from './broker-connection.ts';

/** Makes a connection for a purpose; it begins when it is started. */
export type OpenConnection = (purpose: ConnectionPurpose) => BrokerConnection;

/**
 * The connections of one gateway to one external broker. They come and go together, so their news is told once: all
 * stand, one has ended, or another trouble than the last one.
 */
export const connectionsTo = (place: BrokerPlace, log: Logger): OpenConnection => {
  const gateway = `aviary-gateway-${randomBytes(6).toString('hex')}`;
  const { url } = place;
  let opened = 0;
  let standing = 0;
  let last: string | undefined;
  const news = {
    ready: () => {
      standing += 1;
      if (standing < opened) return;
      last = undefined;
      log.info({ url, gateway, connections: standing }, 'connected to the broker');
    },
    ended: () => {
      if (standing === opened) log.warn({ url, gateway }, 'a connection to the broker has ended; it is made again');
      standing -= 1;
    },
    trouble: (words: string) => {
      log[words === last ? 'debug' : 'warn']({ url, gateway, error: words }, 'trouble with the broker');
      last = words;
    },
  };
  return (purpose) => {
    opened += 1;
    return new BrokerConnection(place, `${gateway}-${purpose.name}`, purpose, news);
  };
};
