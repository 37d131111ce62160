import { QueryClient } from '@tanstack/react-query';
import { ProblemError } from './problem-error.ts';

/** Worth another try: no answer, or one of a control plane in trouble. */
const isPassing = (error: unknown): boolean =>
  error instanceof ProblemError && (error.status === 0 || error.status >= 500);

/** What was read stays true until the control plane says that it changed (`live/`); nothing asks on a timer. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Number.POSITIVE_INFINITY,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      retry: (failures, error) => failures < 2 && isPassing(error),
    },
  },
});
