import { join } from 'node:path';
import type { Config } from '../config.ts';
import { AccountsService } from '../features/access/accounts.service.ts';
import { loadAdminToken } from '../features/access/admin-token.ts';
import { LogInService } from '../features/access/log-in.service.ts';
import { LogInLimit } from '../features/access/log-in-limit.ts';
import { SessionsService } from '../features/access/sessions.service.ts';
import { TokensService } from '../features/access/tokens.service.ts';
import { AuditTrail } from '../features/audit/audit-trail.ts';
import { CertificatesService } from '../features/devices/certificates.service.ts';
import { DeviceHistory } from '../features/devices/device-history.ts';
import { DevicePagesService } from '../features/devices/device-pages.service.ts';
import { DevicesService } from '../features/devices/devices.service.ts';
import { EnrollmentService } from '../features/devices/enrollment.service.ts';
import { JoinTokensService } from '../features/devices/join-tokens.service.ts';
import { JoiningKeysService } from '../features/devices/joining-keys.service.ts';
import { RecipientChallenge } from '../features/devices/recipient-challenge.ts';
import { RevocationService } from '../features/devices/revocation.service.ts';
import { DiagnosisService } from '../features/diagnosis/diagnosis.service.ts';
import { ProbesService } from '../features/diagnosis/probes.service.ts';
import { DirectorService } from '../features/director/director.service.ts';
import { LineageService } from '../features/federation/lineage.service.ts';
import { ParticipationsService } from '../features/federation/participations.service.ts';
import { RoundDecisionsApplier } from '../features/federation/round-decisions-applier.ts';
import { RoundsService } from '../features/federation/rounds.service.ts';
import { UpdatesService } from '../features/federation/updates.service.ts';
import { FleetCa } from '../features/fleet-ca/fleet-ca.ts';
import { LiveService } from '../features/live/live.service.ts';
import { BrokerCertificates } from '../features/mqtt/broker-certificates.ts';
import { OperatorProfilesService } from '../features/operator-profiles/operator-profiles.service.ts';
import { OverviewService } from '../features/overview/overview.service.ts';
import { ReleasesService } from '../features/registry/releases.service.ts';
import { VariantChooser } from '../features/registry/variant-chooser.ts';
import { DecisionsApplier } from '../features/rollouts/decisions-applier.ts';
import { ExecutionsService } from '../features/rollouts/executions.service.ts';
import { Notifier } from '../features/rollouts/notifier.ts';
import { Rehearsal } from '../features/rollouts/rehearsal.ts';
import { RolloutRetries } from '../features/rollouts/rollout-retries.ts';
import { RolloutSteps } from '../features/rollouts/rollout-steps.ts';
import { RolloutsService } from '../features/rollouts/rollouts.service.ts';
import { MetadataStore } from '../features/trust/metadata-store.ts';
import { OnlineKeys } from '../features/trust/online-keys.ts';
import { OnlineSigning } from '../features/trust/online-signing.ts';
import { TrustService } from '../features/trust/trust.service.ts';
import { type BlobStore, DirectoryBlobStore } from '../infra/blob-store.ts';
import { Database } from '../infra/database.ts';
import { KeyRing } from '../infra/key-ring.ts';
import type { Logger } from '../infra/log.ts';
import { findMasterKeySource } from '../infra/master-key-source.ts';
import { loadProfiles } from '../infra/profiles.ts';
import { PublicAddresses } from '../infra/public-addresses.ts';
import { SecretStore } from '../infra/secret-store.ts';

/** Everything that the roles share, built once per process. */
export interface Services {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly addresses: PublicAddresses;
  readonly adminToken: string;
  readonly audit: AuditTrail;
  readonly sessions: SessionsService;
  readonly tokens: TokensService;
  readonly accounts: AccountsService;
  readonly logIns: LogInService;
  readonly ca: FleetCa;
  readonly gatewayCa: FleetCa;
  readonly brokerCertificates: BrokerCertificates;
  readonly probes: ProbesService;
  readonly diagnosis: DiagnosisService;
  readonly devices: DevicesService;
  readonly certificates: CertificatesService;
  readonly revocation: RevocationService;
  readonly joinTokens: JoinTokensService;
  readonly joiningKeys: JoiningKeysService;
  readonly devicePages: DevicePagesService;
  readonly deviceHistory: DeviceHistory;
  readonly enrollment: EnrollmentService;
  readonly trust: TrustService;
  readonly onlineSigning: OnlineSigning;
  readonly releases: ReleasesService;
  readonly director: DirectorService;
  readonly executions: ExecutionsService;
  readonly notifier: Notifier;
  readonly steps: RolloutSteps;
  readonly rollouts: RolloutsService;
  readonly retries: RolloutRetries;
  readonly roundApplier: RoundDecisionsApplier;
  readonly rounds: RoundsService;
  readonly participations: ParticipationsService;
  readonly updates: UpdatesService;
  readonly operatorProfiles: OperatorProfilesService;
  readonly overview: OverviewService;
  readonly live: LiveService;
}

/** Connects to the database, brings it up to date, and puts the services together by name. */
export const openServices = async (config: Config & { databaseUrl: string }, log: Logger): Promise<Services> => {
  const database = new Database(config.databaseUrl, log);
  await database.start();
  const masterKeySource = await findMasterKeySource(config);
  const keys = new KeyRing(database, masterKeySource);
  await keys.start();
  const secrets = new SecretStore(database, keys);
  const profiles = await loadProfiles();
  const blobs = new DirectoryBlobStore(join(config.data, 'blobs'));
  await blobs.start();
  const addresses = new PublicAddresses(config);
  const ca = await FleetCa.open(secrets, 'fleet', config.deviceCertSeconds);
  const gatewayCa = await FleetCa.open(secrets, 'gateway');
  const brokerCertificates = new BrokerCertificates(ca, gatewayCa);
  const probes = new ProbesService(database, ca, addresses);
  const diagnosis = new DiagnosisService(secrets, masterKeySource, config);
  const devices = new DevicesService(database, profiles);
  const certificates = new CertificatesService(database, ca);
  const lineages = new LineageService(database);
  const releases = await ReleasesService.open(database, secrets, keys, blobs, lineages);
  const onlineKeys = await OnlineKeys.open(secrets);
  const metadata = new MetadataStore(database);
  const onlineSigning = new OnlineSigning(database, metadata, onlineKeys);
  const trust = new TrustService(database, metadata, onlineKeys, onlineSigning, releases);
  const chooser = new VariantChooser(profiles);
  const devicePages = new DevicePagesService(database, devices, releases, chooser);
  const deviceHistory = new DeviceHistory(database, devices);
  const director = new DirectorService(database, releases, trust, onlineKeys);
  const joinTokens = new JoinTokensService(database, devices);
  const joiningKeys = new JoiningKeysService(database, devices);
  const challenges = await RecipientChallenge.open(secrets);
  const enrollment = new EnrollmentService(
    database,
    devices,
    joinTokens,
    joiningKeys,
    challenges,
    ca,
    trust,
    addresses.mqttUrl,
  );
  const executions = new ExecutionsService(director);
  const applier = new DecisionsApplier(director);
  const roundApplier = new RoundDecisionsApplier();
  const rounds = new RoundsService(database, releases, roundApplier);
  const participations = new ParticipationsService(database);
  const updates = new UpdatesService(database);
  const revocation = new RevocationService(database, devices, executions, participations);
  const notifier = new Notifier(director, releases, chooser);
  const steps = new RolloutSteps(database, applier, notifier);
  const rollouts = new RolloutsService(database, releases, new Rehearsal(database, chooser), applier);
  const retries = new RolloutRetries(database, applier);
  const operatorProfiles = new OperatorProfilesService(database);
  const overview = new OverviewService(database, rollouts);
  const live = new LiveService(database, log);
  const adminToken = await loadAdminToken(config.data);
  const audit = new AuditTrail(database);
  audit.start();
  const sessions = new SessionsService(database);
  const tokens = new TokensService(database);
  const accounts = new AccountsService(database, sessions);
  const logIns = new LogInService(database, accounts, sessions, new LogInLimit(database), audit, adminToken);
  return {
    database,
    blobs,
    addresses,
    adminToken,
    audit,
    sessions,
    tokens,
    accounts,
    logIns,
    ca,
    gatewayCa,
    brokerCertificates,
    probes,
    diagnosis,
    devices,
    certificates,
    revocation,
    joinTokens,
    joiningKeys,
    devicePages,
    deviceHistory,
    enrollment,
    trust,
    onlineSigning,
    releases,
    director,
    executions,
    notifier,
    steps,
    rollouts,
    retries,
    roundApplier,
    rounds,
    participations,
    updates,
    operatorProfiles,
    overview,
    live,
  };
};
