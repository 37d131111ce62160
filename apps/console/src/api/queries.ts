import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import {
  deviceExecutions,
  deviceMetrics,
  type ListExecutionsData,
  listAccounts,
  listDevices,
  listExecutions,
  listJoiningKeys,
  listOperatorProfiles,
  listReleases,
  listRollouts,
  listRounds,
  listTokens,
  showDevice,
  showOverview,
  showRelease,
  showRollout,
  showRound,
  showTrust,
} from './generated/index.ts';

/** What became of an execution. */
export type ExecutionOutcome = NonNullable<NonNullable<ListExecutionsData['query']>['outcome']>;

const pageFrom = (cursor: string | null): { cursor?: string } => (cursor === null ? {} : { cursor });

/**
 * What pages read. A key begins with the topic of the changes that make it stale, then `list`, or `one` and an id:
 * `live/live-stream.ts` finds by that which queries to read again.
 */
export const queries = {
  overview: () => queryOptions({ queryKey: ['overview'], queryFn: ({ signal }) => showOverview({ signal }) }),

  /** One page at a time: what changes in a fleet of thousands costs one request, however far a person has paged. */
  devices: (query: { selector?: string; cursor?: string; limit?: number }) =>
    queryOptions({
      queryKey: ['devices', 'list', query],
      queryFn: ({ signal }) => listDevices({ query, signal }),
      placeholderData: keepPreviousData,
    }),
  device: (id: string) =>
    queryOptions({
      queryKey: ['devices', 'one', id],
      queryFn: ({ signal }) => showDevice({ path: { id }, signal }),
    }),
  deviceExecutions: (id: string) =>
    queryOptions({
      queryKey: ['devices', 'one', id, 'executions'],
      queryFn: ({ signal }) => deviceExecutions({ path: { id }, signal }),
    }),
  joiningKeys: () =>
    queryOptions({
      queryKey: ['joining-keys', 'list'],
      queryFn: ({ signal }) => listJoiningKeys({ signal }),
    }),
  operatorProfiles: (id: string) =>
    queryOptions({
      queryKey: ['devices', 'one', id, 'operator-profiles'],
      queryFn: ({ signal }) => listOperatorProfiles({ path: { id }, signal }),
    }),
  /** Read once; what comes after is live. */
  deviceMetrics: (id: string) =>
    queryOptions({
      queryKey: ['metrics', id],
      queryFn: ({ signal }) => deviceMetrics({ path: { id }, signal }),
      gcTime: 0,
    }),

  releases: (query: { model?: string } = {}) =>
    infiniteQueryOptions({
      queryKey: ['releases', 'list', query],
      queryFn: ({ pageParam, signal }) => listReleases({ query: { ...query, ...pageFrom(pageParam) }, signal }),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.nextCursor,
    }),
  release: (release: string) =>
    queryOptions({
      queryKey: ['releases', 'one', release],
      queryFn: ({ signal }) => showRelease({ path: { release }, signal }),
    }),
  trust: () =>
    queryOptions({
      queryKey: ['releases', 'list', 'trust'],
      queryFn: ({ signal }) => showTrust({ signal }),
    }),

  rollouts: () =>
    infiniteQueryOptions({
      queryKey: ['rollouts', 'list'],
      queryFn: ({ pageParam, signal }) => listRollouts({ query: pageFrom(pageParam), signal }),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.nextCursor,
    }),
  rollout: (id: string) =>
    queryOptions({
      queryKey: ['rollouts', 'one', id],
      queryFn: ({ signal }) => showRollout({ path: { id }, signal }),
    }),
  rolloutExecutions: (id: string, outcome?: ExecutionOutcome) =>
    infiniteQueryOptions({
      queryKey: ['rollouts', 'one', id, 'executions', outcome ?? 'all'],
      queryFn: ({ pageParam, signal }) =>
        listExecutions({ path: { id }, query: { ...(outcome && { outcome }), ...pageFrom(pageParam) }, signal }),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.nextCursor,
    }),

  rounds: () =>
    infiniteQueryOptions({
      queryKey: ['rounds', 'list'],
      queryFn: ({ pageParam, signal }) => listRounds({ query: pageFrom(pageParam), signal }),
      initialPageParam: null as string | null,
      getNextPageParam: (page) => page.nextCursor,
    }),
  round: (id: string) =>
    queryOptions({
      queryKey: ['rounds', 'one', id],
      queryFn: ({ signal }) => showRound({ path: { id }, signal }),
    }),

  /** No change is told of accounts and tokens: they are read anew each time. */
  accounts: () =>
    queryOptions({
      queryKey: ['access', 'accounts'],
      queryFn: ({ signal }) => listAccounts({ signal }),
      staleTime: 0,
    }),
  tokens: () =>
    queryOptions({
      queryKey: ['access', 'tokens'],
      queryFn: ({ signal }) => listTokens({ signal }),
      staleTime: 0,
    }),
};
