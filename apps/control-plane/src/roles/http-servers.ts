import { openApiDocument } from '@aviary/protocol';
import fastifyCookie from '@fastify/cookie';
import { Controller, Get, Inject, Module, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AccessController } from '../features/access/access.controller.ts';
import { AccessGuard } from '../features/access/access.guard.ts';
import { AccountsService } from '../features/access/accounts.service.ts';
import { Callers } from '../features/access/callers.ts';
import { LogInService } from '../features/access/log-in.service.ts';
import { TokensService } from '../features/access/tokens.service.ts';
import { AuditController } from '../features/audit/audit.controller.ts';
import { AuditInterceptor } from '../features/audit/audit.interceptor.ts';
import { AuditTrail } from '../features/audit/audit-trail.ts';
import { serveConsole } from '../features/console/console-files.ts';
import { CertificatesService } from '../features/devices/certificates.service.ts';
import { DeviceHistory } from '../features/devices/device-history.ts';
import { DevicePagesService } from '../features/devices/device-pages.service.ts';
import { DevicesController } from '../features/devices/devices.controller.ts';
import { DevicesService } from '../features/devices/devices.service.ts';
import { EnrollmentController } from '../features/devices/enrollment.controller.ts';
import { EnrollmentService } from '../features/devices/enrollment.service.ts';
import { JoinTokensService } from '../features/devices/join-tokens.service.ts';
import { JoiningKeysController } from '../features/devices/joining-keys.controller.ts';
import { JoiningKeysService } from '../features/devices/joining-keys.service.ts';
import { RevocationService } from '../features/devices/revocation.service.ts';
import { DiagnosisController } from '../features/diagnosis/diagnosis.controller.ts';
import { DiagnosisService } from '../features/diagnosis/diagnosis.service.ts';
import { ProbesService } from '../features/diagnosis/probes.service.ts';
import { DeviceIdentityGuard } from '../features/director/device-identity.guard.ts';
import { DirectorController } from '../features/director/director.controller.ts';
import { DirectorService } from '../features/director/director.service.ts';
import { DeviceRoundsController } from '../features/federation/device-rounds.controller.ts';
import { ParticipationsService } from '../features/federation/participations.service.ts';
import { RoundsController } from '../features/federation/rounds.controller.ts';
import { RoundsService } from '../features/federation/rounds.service.ts';
import { UpdatesService } from '../features/federation/updates.service.ts';
import { FleetCa, type TlsIdentity } from '../features/fleet-ca/fleet-ca.ts';
import { LiveController } from '../features/live/live.controller.ts';
import { LiveService } from '../features/live/live.service.ts';
import { BrokerCertificates } from '../features/mqtt/broker-certificates.ts';
import { DeviceProfileTasksController } from '../features/operator-profiles/device-profile-tasks.controller.ts';
import { OperatorProfilesController } from '../features/operator-profiles/operator-profiles.controller.ts';
import { OperatorProfilesService } from '../features/operator-profiles/operator-profiles.service.ts';
import { OverviewController } from '../features/overview/overview.controller.ts';
import { OverviewService } from '../features/overview/overview.service.ts';
import { RegistryController } from '../features/registry/registry.controller.ts';
import { ReleasesService } from '../features/registry/releases.service.ts';
import { RolloutRetries } from '../features/rollouts/rollout-retries.ts';
import { RolloutsController } from '../features/rollouts/rollouts.controller.ts';
import { RolloutsService } from '../features/rollouts/rollouts.service.ts';
import { DeviceTrustController } from '../features/trust/device-trust.controller.ts';
import { TrustController } from '../features/trust/trust.controller.ts';
import { TrustService } from '../features/trust/trust.service.ts';
import { BLOB_STORE } from '../infra/blob-store.ts';
import { Database } from '../infra/database.ts';
import { ProblemFilter } from '../infra/http/problem-filter.ts';
import type { Logger } from '../infra/log.ts';
import { PublicAddresses } from '../infra/public-addresses.ts';
import { VERSION } from '../version.ts';
import type { Services } from './services.ts';

const CLOSE_DEADLINE_MS = 5_000;
/** Targets metadata of some thousand variants. */
const LARGEST_BODY_BYTES = 8 * 2 ** 20;

/** Whether this process lives, and whether it can work. Open to everybody: monitors have no token. */
@Controller()
class HealthController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @Get('healthz')
  health() {
    return { status: 'ok', version: VERSION };
  }

  @Get('readyz')
  async ready() {
    await this.database.query('select 1');
    return { status: 'ready' };
  }

  @Get('openapi.json')
  openApi() {
    return openApiDocument(VERSION);
  }
}

/** A module that is put together from what was built already, since two applications share no providers. */
const moduleOf = (controllers: Type[], providers: Provider[]): Type => {
  @Module({ controllers, providers })
  class ComposedModule {}
  return ComposedModule;
};

const shared = (services: Services): Provider[] => [
  { provide: Database, useValue: services.database },
  { provide: DevicesService, useValue: services.devices },
  { provide: DirectorService, useValue: services.director },
  { provide: TrustService, useValue: services.trust },
  { provide: BLOB_STORE, useValue: services.blobs },
];

const listen = async (
  module: Type,
  adapter: FastifyAdapter,
  log: Logger,
  where: { host: string; port: number },
  prepare: (app: NestFastifyApplication) => void | Promise<void> = () => {},
): Promise<NestFastifyApplication> => {
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, { logger: false, abortOnError: false });
  app.useGlobalFilters(new ProblemFilter(log));
  await prepare(app);
  await app.listen(where.port, where.host);
  return app;
};

/** Ends an application: kept-alive connections would hold it for ever, hence the deadline. */
export const closeWithin = async (app: NestFastifyApplication): Promise<void> => {
  app.getHttpServer().closeIdleConnections?.();
  const deadline = setTimeout(() => app.getHttpServer().closeAllConnections?.(), CLOSE_DEADLINE_MS);
  await app.close();
  clearTimeout(deadline);
};

/** Bytes are passed on as they come, never gathered in memory. */
const passUploadsOn = (app: NestFastifyApplication): void => {
  app
    .getHttpAdapter()
    .getInstance()
    .addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));
};

/** What is open to everybody without being an operation of the API. */
const OPEN_CONTROLLERS: ReadonlySet<Type> = new Set([HealthController]);

/** The admin plane: the API for people and their tools, behind the guard that knows them; and the console, as files. */
export const startAdminPlane = (
  services: Services,
  log: Logger,
  where: { host: string; port: number; consoleDirectory: string },
): Promise<NestFastifyApplication> => {
  const { addresses, adminToken, sessions, tokens } = services;
  const callers = new Callers(adminToken, sessions, tokens);
  const module = moduleOf(
    [
      HealthController,
      AccessController,
      AuditController,
      DevicesController,
      DiagnosisController,
      JoiningKeysController,
      LiveController,
      OperatorProfilesController,
      OverviewController,
      RegistryController,
      RolloutsController,
      RoundsController,
      TrustController,
    ],
    [
      ...shared(services),
      { provide: Callers, useValue: callers },
      { provide: AccountsService, useValue: services.accounts },
      { provide: TokensService, useValue: services.tokens },
      { provide: LogInService, useValue: services.logIns },
      { provide: AuditTrail, useValue: services.audit },
      { provide: FleetCa, useValue: services.ca },
      { provide: RevocationService, useValue: services.revocation },
      { provide: JoinTokensService, useValue: services.joinTokens },
      { provide: JoiningKeysService, useValue: services.joiningKeys },
      { provide: PublicAddresses, useValue: services.addresses },
      { provide: ReleasesService, useValue: services.releases },
      { provide: RolloutsService, useValue: services.rollouts },
      { provide: RolloutRetries, useValue: services.retries },
      { provide: RoundsService, useValue: services.rounds },
      { provide: DevicePagesService, useValue: services.devicePages },
      { provide: DeviceHistory, useValue: services.deviceHistory },
      { provide: LiveService, useValue: services.live },
      { provide: OperatorProfilesService, useValue: services.operatorProfiles },
      { provide: OverviewService, useValue: services.overview },
      { provide: DiagnosisService, useValue: services.diagnosis },
      { provide: ProbesService, useValue: services.probes },
      { provide: BrokerCertificates, useValue: services.brokerCertificates },
    ],
  );
  // One proxy, and only where one is said to be: anybody may write these headers.
  const trustProxy = (_address: string, hop: number) => addresses.behindProxy && hop === 0;
  const adapter = new FastifyAdapter({ forceCloseConnections: 'idle', trustProxy, bodyLimit: LARGEST_BODY_BYTES });
  return listen(module, adapter, log, where, async (app) => {
    app.useGlobalGuards(new AccessGuard(callers, OPEN_CONTROLLERS, new URL(addresses.consoleUrl).host));
    app.useGlobalInterceptors(new AuditInterceptor(services.audit));
    void app.register(fastifyCookie);
    passUploadsOn(app);
    await serveConsole(app.getHttpAdapter().getInstance(), where.consoleDirectory);
  });
};

/** The device plane: TLS that asks for a device certificate without demanding it; all but joining demands it here. */
export const startDevicePlane = (
  services: Services,
  identity: TlsIdentity,
  log: Logger,
  where: { host: string; port: number },
): Promise<NestFastifyApplication> => {
  const module = moduleOf(
    [
      EnrollmentController,
      DirectorController,
      DeviceProfileTasksController,
      DeviceRoundsController,
      DeviceTrustController,
    ],
    [
      ...shared(services),
      { provide: EnrollmentService, useValue: services.enrollment },
      { provide: CertificatesService, useValue: services.certificates },
      { provide: ParticipationsService, useValue: services.participations },
      { provide: UpdatesService, useValue: services.updates },
      { provide: OperatorProfilesService, useValue: services.operatorProfiles },
    ],
  );
  const adapter = new FastifyAdapter({
    forceCloseConnections: 'idle',
    https: { ...identity, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.3' },
  });
  return listen(module, adapter, log, where, async (app) => {
    app.useGlobalGuards(new DeviceIdentityGuard(services.certificates));
    passUploadsOn(app);
  });
};
