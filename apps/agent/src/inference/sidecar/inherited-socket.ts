import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { SIDECAR_DESCRIPTOR } from './sidecar-messages.ts';

/** The socket to the sidecar that the supervisor has given to this process: nothing is connected to. */
export const inheritedSocket = (): Duplex => new Socket({ fd: SIDECAR_DESCRIPTOR, readable: true, writable: true });
