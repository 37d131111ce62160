import { AppShell, Burger, Group } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  type Icon,
  IconBoxSeam,
  IconCpu,
  IconLayoutDashboard,
  IconRipple,
  IconTopologyStar3,
} from '@tabler/icons-react';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { LiveProvider } from '../live/live.tsx';
import { LogInDialog } from '../session/log-in-dialog.tsx';
import { BrandMark } from './brand.tsx';
import { LiveIndicator } from './live-indicator.tsx';
import { SchemeSwitch } from './scheme-switch.tsx';
import classes from './shell.module.css';
import { UserMenu } from './user-menu.tsx';

const PAGES: readonly { to: string; label: string; icon: Icon }[] = [
  { to: '/', label: 'Overview', icon: IconLayoutDashboard },
  { to: '/devices', label: 'Devices', icon: IconCpu },
  { to: '/models', label: 'Models', icon: IconBoxSeam },
  { to: '/rollouts', label: 'Rollouts', icon: IconRipple },
  { to: '/federation', label: 'Federation', icon: IconTopologyStar3 },
];

/** What is around every page of somebody who is logged in. */
export const Shell = () => {
  const [opened, { toggle, close }] = useDisclosure(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  // A screen reader, and the keyboard, begin where the new page begins.
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    close();
    main.current?.focus();
  }, [path, close]);

  return (
    <LiveProvider>
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <AppShell
        header={{ height: 52 }}
        navbar={{ width: 200, breakpoint: 'sm', collapsed: { mobile: !opened } }}
        padding="lg"
      >
        <AppShell.Header>
          <div className={classes.header}>
            <Group gap="sm">
              <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Pages" />
              <Link to="/" className={classes.brand}>
                <BrandMark />
                Aviary
              </Link>
            </Group>
            <Group gap="sm">
              <LiveIndicator />
              <SchemeSwitch />
              <UserMenu />
            </Group>
          </div>
        </AppShell.Header>
        <AppShell.Navbar component="nav" aria-label="Pages" className={classes.nav}>
          {PAGES.map(({ to, label, icon: PageIcon }) => (
            <Link key={to} to={to} className={classes.link} activeOptions={{ exact: to === '/' }}>
              <PageIcon size={18} stroke={1.6} aria-hidden />
              {label}
            </Link>
          ))}
        </AppShell.Navbar>
        <AppShell.Main id="content" ref={main} tabIndex={-1}>
          <div className={classes.main}>
            <Outlet />
          </div>
        </AppShell.Main>
      </AppShell>
      <LogInDialog />
    </LiveProvider>
  );
};
