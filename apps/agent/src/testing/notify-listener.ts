import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { LineReader } from '../inference/line-reader.ts';

/** Listens as systemd does, and says each datagram as one line, after the time; bound when it says `listening`. */
const LISTEN = `
use strict;
use warnings;
use Socket;
$| = 1;
(my $name = $ARGV[0]) =~ s/^@/\\0/;
socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die "$!";
bind($socket, pack_sockaddr_un($name)) or die "$!";
chmod(0666, $ARGV[0]) if $ARGV[0] =~ m{^/};
print "listening\\n";
while (defined(recv($socket, my $datagram, 65536, 0))) {
  $datagram =~ s/\\n/\\\\n/g;
  open(my $clock, '<', '/proc/uptime') or die "$!";
  my ($seconds) = split(/ /, <$clock>);
  print "$seconds $datagram\\n";
}
`;

/** Milliseconds since this machine started: a clock that two programs have in common, with a hundredth of a second. */
export const uptime = (): number => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;

/** What a program has told its service manager, and when. */
export interface Told {
  readonly assignment: string;
  /** When the datagram came, in ms of {@link uptime}; this process may read of it later. */
  readonly at: number;
}

/** A service manager's end of NOTIFY_SOCKET. */
export class NotifyListener {
  readonly told: Told[] = [];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @param name a path, or an abstract name that begins with `@` */
  static async start(name: string): Promise<NotifyListener> {
    const child = spawn('perl', ['-e', LISTEN, name], { stdio: ['ignore', 'pipe', 'inherit'] });
    const listener = new NotifyListener(child);
    await new Promise<void>((resolve, reject) => {
      const lines = new LineReader((line) => {
        const [seconds, ...assignment] = line.split(' ');
        if (line === 'listening') resolve();
        else listener.told.push({ assignment: assignment.join(' '), at: Number(seconds) * 1000 });
      });
      child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`nobody listens at ${name}: exit code ${code}`)));
    });
    return listener;
  }

  get assignments(): string[] {
    return this.told.map(({ assignment }) => assignment);
  }

  /** How many beats there were. */
  get beats(): number {
    return this.assignments.filter((assignment) => assignment === 'WATCHDOG=1').length;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill();
    await gone;
  }
}
