import type { RequestedProfile } from '@aviary/protocol';
import { printable, renderAge, renderTable } from './table.ts';

type Profile = NonNullable<RequestedProfile['profile']>;

const milliseconds = (us: number): string => `${(us / 1_000).toFixed(us < 100_000 ? 3 : 1)} ms`;

const share = (us: number, ofUs: number): string => (ofUs === 0 ? '-' : `${((us / ofUs) * 100).toFixed(1)} %`);

/** As people say it: every provider's name ends so. */
const providerOf = (name: string): string => name.replace(/ExecutionProvider$/, '');

const operatorsOf = ({ slowest, frames, runUs }: Profile): string => {
  const hasModels = slowest.some(({ model }) => model !== null);
  const header = ['operator', 'type', 'provider', 'calls', 'mean', 'per frame', 'share'];
  return renderTable(
    hasModels ? ['model', ...header] : header,
    slowest.map(({ model, name, type, provider, calls, totalUs }) => [
      ...(hasModels ? [model ?? ''] : []),
      name,
      type,
      providerOf(provider),
      String(calls),
      milliseconds(totalUs / Math.max(1, calls)),
      milliseconds(totalUs / Math.max(1, frames)),
      share(totalUs, runUs),
    ]),
  );
};

const typesOf = ({ types, frames, runUs }: Profile): string =>
  renderTable(
    ['type', 'provider', 'operators', 'per frame', 'share'],
    types.map(({ type, provider, operators, totalUs }) => [
      type,
      providerOf(provider),
      String(operators),
      milliseconds(totalUs / Math.max(1, frames)),
      share(totalUs, runUs),
    ]),
  );

const profileLines = (profile: Profile, asked: number): string[] => {
  const { release, provider, frames, runs, runUs, operatorUs, operators, slowest } = profile;
  const fewer = frames < asked ? ` (of ${asked}: memory or time was short)` : '';
  const named = operators > slowest.length ? `, the ${slowest.length} slowest of them below` : '';
  return [
    `profiled  ${release} on ${provider}, ${frames} frames${fewer}, ${runs} runs`,
    `runs      ${milliseconds(runUs / Math.max(1, frames))} a frame, ${share(operatorUs, runUs)} of it in operators`,
    `operators ${operators}${named}`,
  ];
};

/** An operator profile, or what became of the request for it. */
export const renderOperatorProfile = (requested: RequestedProfile, now: number): string => {
  const { state, profile, refusal, by, requestedAt, expiresAt, frames } = requested;
  const asked = `asked     ${renderAge(requestedAt, now)} ago by ${by}`;
  if (profile !== null) {
    const head = [asked, ...profileLines(profile, frames)].map(printable);
    return [...head, '', typesOf(profile), '', operatorsOf(profile)].join('\n');
  }
  const became = {
    WAITING: `waits     for the device, until ${new Date(expiresAt).toISOString()}`,
    EXPIRED: `expired   ${new Date(expiresAt).toISOString()}, before the device had answered`,
    REFUSED: `refused   ${refusal?.code}: ${refusal?.message}`,
    DONE: 'done',
  }[state];
  return [asked, became].map(printable).join('\n');
};
