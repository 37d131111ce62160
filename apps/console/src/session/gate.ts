import { redirect } from '@tanstack/react-router';
import { showSession, showSetup } from '../api/generated/index.ts';
import { ProblemError } from '../api/problem-error.ts';
import { sessionStore } from './session-store.ts';

/** Lets nobody in who is not logged in: to the log-in with the way back, or to the set-up of a new control plane. */
export const requireSession = async (href: string): Promise<void> => {
  if (sessionStore.get().session !== null) return;
  try {
    sessionStore.begin(await showSession());
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status !== 401) throw error;
    const { needed } = await showSetup();
    if (needed) throw redirect({ to: '/setup' });
    throw redirect({ to: '/login', search: href === '/' ? {} : { back: href } });
  }
};
