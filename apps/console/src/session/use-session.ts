import { useSyncExternalStore } from 'react';
import type { Role } from '../api/generated/index.ts';
import { sessionStore } from './session-store.ts';

/** Who may steer devices, rollouts and rounds; the control plane has the last word. */
export const OPERATORS: readonly Role[] = ['operator', 'admin'];
/** Who may look after accounts. */
export const ADMINS: readonly Role[] = ['admin'];

export const useSession = () => useSyncExternalStore(sessionStore.subscribe, sessionStore.get);

/** Whether the person who is logged in has one of these roles. */
export const useMay = (roles: readonly Role[]): boolean => {
  const { session } = useSession();
  return session !== null && roles.includes(session.role);
};
