import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet } from '@tanstack/react-router';
import { readDeviceFilter } from './pages/devices/device-filter.ts';
import { requireSession } from './session/gate.ts';
import { RouteError, RouteUnknown } from './shell/route-error.tsx';
import { Shell } from './shell/shell.tsx';

const root = createRootRoute({ component: Outlet });

const logIn = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (search: Record<string, unknown>): { back?: string } =>
    typeof search.back === 'string' ? { back: search.back } : {},
  component: lazyRouteComponent(() => import('./pages/log-in/log-in-page.tsx'), 'LogInPage'),
});
const setUp = createRoute({
  getParentRoute: () => root,
  path: '/setup',
  component: lazyRouteComponent(() => import('./pages/set-up/set-up-page.tsx'), 'SetUpPage'),
});

/** A form that begins with a release: `?release=meter-reader@1.1.0`. */
const releaseSearch = (search: Record<string, unknown>): { release?: string } =>
  typeof search.release === 'string' ? { release: search.release } : {};

/** Everything behind the log-in. */
const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  beforeLoad: ({ location }) => requireSession(location.href),
  component: Shell,
});

const overview = createRoute({
  getParentRoute: () => app,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/overview/overview-page.tsx'), 'OverviewPage'),
});
const devices = createRoute({
  getParentRoute: () => app,
  path: '/devices',
  validateSearch: readDeviceFilter,
  component: lazyRouteComponent(() => import('./pages/devices/devices-page.tsx'), 'DevicesPage'),
});
const device = createRoute({
  getParentRoute: () => app,
  path: '/devices/$deviceId',
  component: lazyRouteComponent(() => import('./pages/device/device-page.tsx'), 'DevicePage'),
});
const models = createRoute({
  getParentRoute: () => app,
  path: '/models',
  component: lazyRouteComponent(() => import('./pages/models/models-page.tsx'), 'ModelsPage'),
});
const release = createRoute({
  getParentRoute: () => app,
  path: '/models/$release',
  component: lazyRouteComponent(() => import('./pages/models/release-page.tsx'), 'ReleasePage'),
});
const rollouts = createRoute({
  getParentRoute: () => app,
  path: '/rollouts',
  component: lazyRouteComponent(() => import('./pages/rollouts/rollouts-page.tsx'), 'RolloutsPage'),
});
const newRollout = createRoute({
  getParentRoute: () => app,
  path: '/rollouts/new',
  validateSearch: releaseSearch,
  component: lazyRouteComponent(() => import('./pages/rollouts/new-rollout-page.tsx'), 'NewRolloutPage'),
});
const rollout = createRoute({
  getParentRoute: () => app,
  path: '/rollouts/$rolloutId',
  component: lazyRouteComponent(() => import('./pages/rollouts/rollout-page.tsx'), 'RolloutPage'),
});
const federation = createRoute({
  getParentRoute: () => app,
  path: '/federation',
  component: lazyRouteComponent(() => import('./pages/federation/federation-page.tsx'), 'FederationPage'),
});
const newRound = createRoute({
  getParentRoute: () => app,
  path: '/federation/new',
  validateSearch: releaseSearch,
  component: lazyRouteComponent(() => import('./pages/federation/new-round-page.tsx'), 'NewRoundPage'),
});
const round = createRoute({
  getParentRoute: () => app,
  path: '/federation/$roundId',
  component: lazyRouteComponent(() => import('./pages/federation/round-page.tsx'), 'RoundPage'),
});
const access = createRoute({
  getParentRoute: () => app,
  path: '/access',
  component: lazyRouteComponent(() => import('./pages/access/access-page.tsx'), 'AccessPage'),
});

export const router = createRouter({
  routeTree: root.addChildren([
    logIn,
    setUp,
    app.addChildren([
      overview,
      devices,
      device,
      models,
      release,
      rollouts,
      newRollout,
      rollout,
      federation,
      newRound,
      round,
      access,
    ]),
  ]),
  defaultPreload: 'intent',
  scrollRestoration: true,
  defaultErrorComponent: RouteError,
  defaultNotFoundComponent: RouteUnknown,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
