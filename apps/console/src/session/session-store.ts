import type { Session } from '../api/generated/index.ts';

export interface SessionState {
  /** Who is logged in, as far as this page knows. */
  readonly session: Session | null;
  /** The control plane no longer knows the session of a person who is at work. */
  readonly expired: boolean;
}

let state: SessionState = { session: null, expired: false };
const listeners = new Set<() => void>();

const become = (next: SessionState): void => {
  state = next;
  for (const listener of listeners) listener();
};

/** Who is logged in. Outside React, since requests need it too. */
export const sessionStore = {
  get: (): SessionState => state,
  subscribe: (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  begin: (session: Session): void => become({ session, expired: false }),
  end: (): void => become({ session: null, expired: false }),
  /** A request was answered with 401: who was logged in is asked to log in again, over the page that they are on. */
  expire: (): void => {
    if (state.session !== null && !state.expired) become({ ...state, expired: true });
  },
};
