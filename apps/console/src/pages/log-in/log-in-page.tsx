import { getRouteApi, useRouter } from '@tanstack/react-router';
import { Entrance } from '../../session/entrance.tsx';
import { LogInForm } from '../../session/log-in-form.tsx';
import { safeBack } from '../../session/safe-back.ts';
import { sessionStore } from '../../session/session-store.ts';

const route = getRouteApi('/login');

export const LogInPage = () => {
  const { back } = route.useSearch();
  const router = useRouter();
  return (
    <Entrance title="Log in" words="To the console of this fleet.">
      <LogInForm
        onLoggedIn={(session) => {
          sessionStore.begin(session);
          router.history.push(safeBack(back));
        }}
      />
    </Entrance>
  );
};
