import { Controller, Get, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { expect, it } from 'vitest';
import { Database } from '../../infra/database.ts';
import { ProblemFilter } from '../../infra/http/problem-filter.ts';
import { createLogger } from '../../infra/log.ts';
import { AccessGuard } from './access.guard.ts';
import { Callers } from './callers.ts';
import { SessionsService } from './sessions.service.ts';
import { TokensService } from './tokens.service.ts';

const ADMIN_TOKEN = 'the admin token of this test, long enough';

@Controller()
class Stray {
  @Get('stray')
  tell() {
    return 'a secret';
  }
}

@Module({ controllers: [Stray] })
class StrayModule {}

const start = async (open: ReadonlySet<Type>): Promise<NestFastifyApplication> => {
  const log = createLogger('test', 'silent');
  // Never started: nobody is to be asked.
  const database = new Database('postgres://nobody@127.0.0.1:1/nothing', log);
  const callers = new Callers(ADMIN_TOKEN, new SessionsService(database), new TokensService(database));
  const app = await NestFactory.create<NestFastifyApplication>(StrayModule, new FastifyAdapter(), { logger: false });
  app.useGlobalGuards(new AccessGuard(callers, open, 'fleet.example'));
  app.useGlobalFilters(new ProblemFilter(log));
  await app.init();
  return app;
};

it('a handler that is no operation of the API is closed, even to admins, unless it is said to be open', async () => {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const closed = await start(new Set());
  const refused = await closed.inject({ method: 'GET', url: '/stray', headers });
  expect({ status: refused.statusCode, ...refused.json() }).toMatchObject({ status: 403, code: 'route-closed' });
  await closed.close();
  const opened = await start(new Set([Stray]));
  expect((await opened.inject({ method: 'GET', url: '/stray' })).body).toBe('a secret');
  await opened.close();
});
