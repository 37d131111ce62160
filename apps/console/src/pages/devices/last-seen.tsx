import type { DeviceSummary } from '../../api/generated/index.ts';
import { RelativeTime } from '../../components/relative-time.tsx';

/** When a device was last heard of. One that is online is heard of all the time, and that is not told as a change. */
export const LastSeen = ({ device }: { device: Pick<DeviceSummary, 'presence' | 'lastSeenAt'> }) =>
  device.presence === 'online' ? <span>now</span> : <RelativeTime at={device.lastSeenAt} />;
