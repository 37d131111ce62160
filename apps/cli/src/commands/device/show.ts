import type { DeviceDetail, DeviceExecution } from '@aviary/protocol';
import { isEndedExecution } from '@aviary/rollout';
import { AviaryCommand, nameArg, outputFlag } from '../../aviary-command.ts';
import { boardWords } from '../../render/board-words.ts';
import { printable, renderAge, renderLabels, renderTable } from '../../render/table.ts';

const ORIGIN_WORDS = {
  assigned: '',
  factory: ' (factory: not assigned by anyone)',
  unknown: ' (unknown: not in the registry with this digest)',
} as const;

const boardNow = ({ board }: Pick<DeviceDetail, 'board'>, now: number): string[] =>
  board === null ? [] : [`is        ${boardWords(board.state)} (${renderAge(board.at, now)} ago)`];

const updateInWords = (execution: DeviceExecution | undefined): string[] => {
  if (execution === undefined) return [];
  const { release, state, reason } = execution;
  const words = [state.toLowerCase().replaceAll('_', ' '), ...(reason === null ? [] : [reason])];
  return [`update    ${release}: ${words.join(', ')}`];
};

/** The newest, whatever became of the update. */
const shadowInWords = (executions: readonly DeviceExecution[]): string[] =>
  executions
    .flatMap(({ release, shadow }) => (shadow === null ? [] : [`shadow    ${release}: ${shadow.words}`]))
    .slice(0, 1);

export default class DeviceShow extends AviaryCommand {
  static override summary = 'All that is known of one device';

  static override args = { id: nameArg({ description: 'id of the device', required: true }) };

  static override flags = { output: outputFlag() };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DeviceShow);
    const { client } = await this.connect(flags);
    const device = await client.showDevice({ params: { id: args.id } });
    const { items: executions } = await client.deviceExecutions({ params: { id: args.id } });
    const now = Date.now();
    const metrics = device.field.map((field) => [
      field.release,
      String(field.frames),
      field.labelled === 0 ? '-' : `${((field.correct / field.labelled) * 100).toFixed(1)} %`,
      field.frames === 0 ? '-' : `${((field.lowConfidence / field.frames) * 100).toFixed(1)} %`,
      field.latencyP95Ms === null ? '-' : `${field.latencyP95Ms.toFixed(1)} ms`,
      field.effectiveProvider ?? '-',
    ]);
    const events = device.events
      .slice(0, 10)
      .map(({ at, level, code, message }) => [renderAge(at, now), level, code, message]);
    this.print(device, flags.output, () =>
      [
        `${device.id}  ${device.name}  ${device.revokedAt === null ? device.presence : `revoked ${renderAge(device.revokedAt, now)} ago`}, seen ${renderAge(device.lastSeenAt, now)} ago  ${renderLabels(device.labels)}`,
        `profile   ${device.profile ?? 'none'} (${device.profileReasons.join('; ')})`,
        `board     ${device.facts.cpu.model}, ${device.facts.cpu.cores} cores, ${device.facts.memoryMB} MB, ${device.facts.os}`,
        ...boardNow(device, now),
        `runs      ${device.running?.release ?? 'nothing'}${device.origin === null ? '' : ORIGIN_WORDS[device.origin]}, assigned ${device.assigned ?? 'nothing'}`,
        ...updateInWords(executions.find(({ state }) => !isEndedExecution(state))),
        ...shadowInWords(executions),
        `certificate until ${new Date(device.certificate.expiresAt).toISOString()}, epoch ${device.epoch}`,
      ]
        .map(printable)
        .concat([
          ...(metrics.length === 0
            ? []
            : ['', renderTable(['release', 'frames', 'accuracy', 'unsure', 'p95', 'provider'], metrics)]),
          ...(events.length === 0 ? [] : ['', renderTable(['ago', 'level', 'event', 'message'], events)]),
        ])
        .join('\n'),
    );
  }
}
