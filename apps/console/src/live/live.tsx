import { useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { showSession } from '../api/generated/index.ts';
import { useSession } from '../session/use-session.ts';
import { ChangeQueue } from './change-queue.ts';
import { type DeviceFigures, type LiveState, LiveStream } from './live-stream.ts';

interface Live {
  readonly state: LiveState;
  readonly stream: LiveStream | undefined;
  /** Called with each device figure that comes; gives back how to end that. */
  readonly onFigures: (listener: (figures: DeviceFigures) => void) => () => void;
}

const LiveContext = createContext<Live>({ state: 'connecting', stream: undefined, onFigures: () => () => undefined });

/** Keeps what pages have read true: whatever the control plane says has changed is read again. */
export const LiveProvider = ({ children }: { children: ReactNode }) => {
  const client = useQueryClient();
  const { session, expired } = useSession();
  const loggedIn = session !== null && !expired;
  const [state, setState] = useState<LiveState>('connecting');
  const [stream, setStream] = useState<LiveStream>();
  const [listeners] = useState(() => new Set<(figures: DeviceFigures) => void>());

  useEffect(() => {
    if (!loggedIn) return;
    const changes = new ChangeQueue((keys) =>
      Promise.all(keys.map((queryKey) => client.invalidateQueries({ queryKey }))),
    );
    const live = new LiveStream({
      onState: setState,
      onChange: (change) => changes.push(change),
      onReset: () => void client.invalidateQueries(),
      onFigures: (figures) => {
        for (const listener of listeners) listener(figures);
      },
      // A 401 here opens the log-in dialog; anything else passes, and the stream tries again.
      onRefused: () => void showSession().catch(() => undefined),
    });
    live.start();
    setStream(live);
    return () => {
      live.stop();
      setStream(undefined);
    };
  }, [client, listeners, loggedIn]);

  const live = useMemo<Live>(
    () => ({
      state,
      stream,
      onFigures: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    }),
    [state, stream, listeners],
  );
  return <LiveContext value={live}>{children}</LiveContext>;
};

export const useLiveState = (): LiveState => useContext(LiveContext).state;

/** Has the page's stream bring this device's figures for as long as the caller is there. */
export const useDeviceFigures = (device: string, onFigures: (figures: DeviceFigures) => void): void => {
  const { stream, onFigures: listen } = useContext(LiveContext);
  useEffect(() => {
    stream?.watchDevice(device);
    return () => stream?.watchDevice(undefined);
  }, [stream, device]);
  useEffect(
    () =>
      listen((figures) => {
        if (figures.deviceId === device) onFigures(figures);
      }),
    [listen, device, onFigures],
  );
};
