import { Text, Tooltip } from '@mantine/core';
import { StateBadge } from '../components/state-badge.tsx';
import type { Tone } from '../components/state-tone.ts';
import { useLiveState } from '../live/live.tsx';
import type { LiveState } from '../live/live-stream.ts';

const SHOWN: Record<LiveState, { label: string; tone: Tone; words: string }> = {
  connecting: { label: 'Connecting', tone: 'waiting', words: 'The stream of changes is being opened.' },
  live: { label: 'Live', tone: 'ok', words: 'Changes appear here as they happen.' },
  reconnecting: {
    label: 'Reconnecting',
    tone: 'warning',
    words: 'The control plane does not answer. What you see may be old; it is read again when it does.',
  },
  paused: { label: 'Paused', tone: 'waiting', words: 'This tab was in the background.' },
};

/** Whether what the page shows is as things are. */
export const LiveIndicator = () => {
  const { label, tone, words } = SHOWN[useLiveState()];
  return (
    <Tooltip label={words} multiline maw={280}>
      <Text component="span" size="sm" role="status" data-live={label.toLowerCase()}>
        <StateBadge state={label} label={label} tone={tone} />
      </Text>
    </Tooltip>
  );
};
