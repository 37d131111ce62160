import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Logger } from 'pino';
import { LineReader } from '../inference/line-reader.ts';

/** Sends each line of its standard input as one datagram. A leading `@` is an abstract name (unix(7)). */
const FORWARD = `
use strict;
use warnings;
use Socket;
$0 = 'aviary-agent: notify';
(my $name = $ENV{NOTIFY_SOCKET}) =~ s/^@/\\0/;
socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die "no socket: $!\\n";
my $address = pack_sockaddr_un($name);
while (defined(my $line = <STDIN>)) {
  chomp $line;
  defined(send($socket, $line, 0, $address)) or warn "not sent: $!\\n";
}
`;

/**
 * Where a service manager listens (sd_notify(3)). That is a datagram socket of the kind AF_UNIX, which Node does not have and
 * Perl does. One small Perl forwards for as long as the agent runs: Debian is never without it (`perl-base` is essential),
 * `systemd-notify` would be a program started for every beat, and an add-on native code to keep for each architecture.
 */
export class NotifySocket {
  readonly #name: string;
  readonly #log: Logger;
  #forwarder: ChildProcessByStdio<Writable, null, Readable> | undefined;

  /** @param name a path, or an abstract name that begins with `@` */
  constructor(name: string, log: Logger) {
    this.#name = name;
    this.#log = log;
  }

  /** @param assignment such as `READY=1`, one line */
  send(assignment: string): void {
    this.#forwarder ??= this.#start();
    this.#forwarder.stdin.write(`${assignment}\n`);
  }

  /** What was sent before is still forwarded. */
  close(): void {
    this.#forwarder?.stdin.end();
  }

  #start(): ChildProcessByStdio<Writable, null, Readable> {
    const child = spawn('perl', ['-e', FORWARD], {
      env: { PATH: process.env.PATH, NOTIFY_SOCKET: this.#name },
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    const lines = new LineReader((line) => this.#log.warn(`the service manager was not told: ${line}`));
    child.stderr.on('data', (chunk: Buffer) => lines.push(chunk));
    // Its end is what gets told.
    child.stdin.on('error', () => undefined);
    const gone = (how: string): void => {
      if (this.#forwarder !== child) return;
      this.#log.warn(`perl, which speaks to the service manager, has ended (${how}); it is started again when needed`);
      this.#forwarder = undefined;
    };
    child.once('error', ({ message }) => gone(message));
    child.once('exit', (code, signal) => gone(signal ?? `exit code ${code}`));
    return child;
  }
}
