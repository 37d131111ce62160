import { AviaryCommand, outputFlag } from '../aviary-command.ts';
import type { Check } from '../doctor/check.ts';
import { Doctor } from '../doctor/doctor.ts';
import { printable } from '../render/table.ts';

const INTERRUPTED = 130;

const lineOf = ({ name, ok, words, advice }: Check): string => {
  const line = `${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(20)}  ${words}`;
  return printable(ok ? line : `${line}. ${advice}`);
};

export default class DoctorCommand extends AviaryCommand {
  static override summary = 'Test a running control plane and its MQTT broker; ends with 1 when something is not well';

  static override description =
    'Looks at the API, clock, master key and disk of the control plane, and comes to the device ports as devices do: with two identities that are made for the test and removed after it, one of which tries to read and write the topics of the other. For admins; to be run where devices are, or at least beside the control plane.';

  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor -o json'];

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { flags } = await this.parse(DoctorCommand);
    const doctor = new Doctor(await this.connect(flags));
    const checks: Check[] = [];
    const interrupted = new Promise<'interrupted'>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'));
    });
    try {
      const examined = doctor.examine((check) => {
        checks.push(check);
        if (flags.output === 'table') this.log(lineOf(check));
      });
      const end = await Promise.race([interrupted, examined]);
      if (end === 'interrupted') this.exit(INTERRUPTED);
    } finally {
      await doctor.tidyUp();
    }
    const ok = checks.every((check) => check.ok);
    if (flags.output !== 'table') this.print({ ok, checks }, flags.output, () => '');
    if (!ok) this.exit(1);
  }
}
