export {
  type Account,
  type ApiToken,
  CSRF_HEADER,
  passwordSchema,
  SESSION_COOKIE,
  type Session,
} from './admin-api/access.ts';
export { adminRoutes } from './admin-api/admin-routes.ts';
export { AUDIT_START, type AuditEntry, auditText } from './admin-api/audit.ts';
export type {
  DeviceChoice,
  DeviceDetail,
  DeviceExecution,
  DeviceHistoryEntry,
  DeviceSummary,
  FieldMetrics,
  MetricsMinute,
} from './admin-api/devices.ts';
export type { Diagnosis, Probe } from './admin-api/diagnosis.ts';
export type { RoundCandidate, RoundDetail, RoundParticipant, RoundSummary } from './admin-api/federation.ts';
export type { JoiningKey } from './admin-api/joining-keys.ts';
export {
  type ChangeEvent,
  changeEventSchema,
  type DeviceFigures,
  deviceFiguresSchema,
  LIVE_TOPICS,
  type Overview,
} from './admin-api/live.ts';
export type { RequestedProfile } from './admin-api/operator-profiles.ts';
export type { ReleaseDetail, ReleaseSummary } from './admin-api/registry.ts';
export {
  type CreatedRollout,
  type ExecutionOutcome,
  type ExecutionView,
  MOST_LOOKED_AT,
  type RolloutAction,
  type RolloutDetail,
  type RolloutPreview,
  type RolloutRetry,
  type RolloutSummary,
  type WaveView,
} from './admin-api/rollouts.ts';
export type { OnlineRole, TrustChange, TrustOutcome, TrustState } from './admin-api/trust.ts';
export { Backoff } from './backoff.ts';
export { ApiError, type Client, createClient, type Fetch, routeUrl } from './client.ts';
export {
  type AssignmentResponse,
  deviceRoutes,
  type EnrollChallenge,
  type EnrollRequest,
  type EnrollResponse,
  type RenewResponse,
  type RoundEvaluationReport,
  type RoundTask,
  roundEvaluationSchema,
} from './device-api.ts';
export { type Envelope, envelopeSchema } from './envelope.ts';
export { deviceIdSchema, type Labels, labelsSchema, releaseNameSchema, sha256Schema } from './identifiers.ts';
export { formatJoinToken, type JoinToken, JoinTokenError, parseJoinToken } from './join-token.ts';
export { openApiDocument } from './openapi.ts';
export {
  MOST_PROFILED_FRAMES,
  MOST_PROFILED_OPERATORS,
  type OperatorProfile,
  type OperatorProfileTask,
  operatorProfileSchema,
  type ProfileRefusal,
} from './operator-profile.ts';
export { type Doorbell, doorbellSchema, type Presence, presenceSchema } from './presence.ts';
export { isProbeId, newProbeId, PROBE_EPOCHS } from './probe.ts';
export { PROBLEM_CONTENT_TYPE, type Problem, problemSchema } from './problem.ts';
export { type Access, mayGrant, ROLES, type Role } from './roles.ts';
export { type Method, type Route, type RouteInput, type RouteOutput, type RouteRequest, statusOf } from './route.ts';
export {
  SIMULATED_STATES,
  type SimulatedFault,
  type SimulatedState,
  type SimulationCounts,
  type SimulationOrder,
  type SimulationPlan,
  type SimulationReport,
  simulationOrderSchema,
  simulationPlanSchema,
  simulationReportSchema,
} from './simulation.ts';
export * from './telemetry.ts';
export {
  type DownChannel,
  deviceTopics,
  downTopic,
  gatewayFilters,
  mayDeviceSubscribe,
  parseUpTopic,
  type UpChannel,
} from './topics.ts';
export { PROTOCOL_VERSION } from './version.ts';
