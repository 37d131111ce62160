export { AgeError, type AgeErrorCode } from './age/age-error.ts';
export { createHeader, FILE_KEY_BYTES, openHeader } from './age/age-header.ts';
export { openPayload, sealedLength, sealPayload } from './age/age-payload.ts';
export { ageRecipientOf, decodeAgeIdentity, decodeAgeRecipient, generateAgeIdentity } from './age/age-recipient.ts';
export { filePieces } from './archive/file-pieces.ts';
export { FileSink } from './archive/file-sink.ts';
export {
  ACCEPTANCE_FOLDER,
  type AcceptanceLimits,
  BOM_FILE,
  encodeManifest,
  type Format,
  formatSchema,
  LABELS_FILE,
  MANIFEST_FILE,
  ManifestError,
  type ManifestModel,
  type ManifestTraining,
  modelsOf,
  type Precision,
  parseManifest,
  type ReleaseManifest,
  type Requirements,
  type Runtime,
  runtimeSchema,
  SIGNATURE_FILE,
  type Stage,
  TRAINING_STEP_FILE,
} from './archive/manifest.ts';
export {
  encodeOmsBundle,
  type OmsBundle,
  OmsError,
  type OmsErrorCode,
  signModel,
  type VerifiedModel,
  verifyModel,
  verifyModelDigests,
} from './archive/oms.ts';
export { type Placement, placementOf, type Size } from './archive/placement.ts';
export {
  channelCount,
  type DetectionSpec,
  detectionSpec,
  hasDynamicSize,
  type Postprocessing,
  type Preprocessing,
  type Region,
  type Task,
  type Tiles,
} from './archive/processing.ts';
export { countsText } from './archive/truth.ts';
export { type UnpackedArchive, UnpackedFileError, unpackArchive } from './archive/unpack-archive.ts';
export {
  type ArchiveEntry,
  ArchiveError,
  type ArchiveErrorCode,
  type ArchiveLimits,
  archiveEntries,
  DEFAULT_ARCHIVE_LIMITS,
  packArchive,
  readArchive,
} from './archive/variant-archive.ts';
export { type ExpectedVariant, type VerifiedVariant, verifyVariant } from './archive/variant-check.ts';
export { type DefinitionProblem, ModelDefinitionError } from './definition/definition-problem.ts';
export { type RunModel, thinned } from './definition/golden-outputs.ts';
export { ModelBomError, verifyModelBom } from './definition/model-bom-check.ts';
export {
  type AcceptanceDefinition,
  type ModelDefinition,
  type ModelPart,
  parseModelDefinition,
  partsOf,
  type TrainingDefinition,
  type VariantDefinition,
} from './definition/model-definition.ts';
export { PROVENANCE_FOLDER, SIGNER_FILE } from './definition/provenance.ts';
export { ReleaseBuildError, type ReleaseBuildErrorCode } from './definition/release-build-error.ts';
export {
  type BuildProgress,
  type BuildReleaseOptions,
  type BuildStep,
  type BuiltRelease,
  type BuiltVariant,
  buildRelease,
  type InspectModel,
} from './definition/release-builder.ts';
export type { Sample } from './definition/release-source.ts';
export type { PrepareTraining, TrainableModel } from './definition/trainable-model.ts';
export {
  ASSIGNMENT_TYPE,
  type Assignment,
  assignmentSchema,
  type Probation,
  probationSchema,
  signAssignment,
  verifyAssignment,
} from './documents/assignment.ts';
export {
  type AssignmentCheck,
  type AssignmentContext,
  checkAssignment,
  type RefusalCode,
} from './documents/assignment-check.ts';
export {
  type DsseEnvelope,
  DsseError,
  type DsseErrorCode,
  dsseEnvelopeSchema,
  pae,
  signEnvelope,
  type VerifiedEnvelope,
  verifyEnvelope,
} from './documents/dsse.ts';
export {
  type Lineage,
  lineageSchema,
  type ReleaseStatement,
  type ReleaseTarget,
  releaseStatementSchema,
} from './documents/release-statement.ts';
export {
  decodePublicKey,
  decodeSigningKey,
  encodeSigningKey,
  generateSigningKey,
  keyId,
  publicKeyPem,
  type Signer,
  SigningKeyError,
  type SigningKeyErrorCode,
  signerOf,
} from './documents/signing-key.ts';
export { type ShadowTerms, type SwitchTerms, switchTermsSchema } from './documents/switch-terms.ts';
export { modelNameSchema, releaseNameSchema, splitReleaseName, versionSchema } from './release-name.ts';
export {
  createFleetTarget,
  DIRECTOR_TARGET,
  type DirectorKeys,
  type FleetTarget,
  fleetTargetOf,
  MAX_FLEET_TARGET_BYTES,
  readFleetTarget,
  STOPPED_TARGET,
} from './tuf/fleet-targets.ts';
export { ImageRepository, type MetadataSource, type TrustedMetadata } from './tuf/image-repository.ts';
export type { KeptMetadata, MetadataFiles } from './tuf/metadata-folder.ts';
export {
  refuseDelegations,
  statementsIn,
  targetsOf,
  type VariantTarget,
  variantTargetOf,
} from './tuf/release-targets.ts';
export { createSnapshot, createTargets, createTimestamp } from './tuf/role-metadata.ts';
export {
  contentOfRoot,
  createRoot,
  type NamedKey,
  type RoleKeys,
  type RootContent,
  rootFingerprint,
  signaturesOn,
  verifyNextRoot,
  verifyRole,
} from './tuf/root-metadata.ts';
export {
  decodeMetadata,
  encodeMetadata,
  expiryOf,
  MAX_METADATA_BYTES,
  type RoleMetadata,
  saysTheSame,
  signMetadata,
  TUF_ROLES,
  type TufRole,
} from './tuf/signed-metadata.ts';
export { TufError, type TufErrorCode } from './tuf/tuf-error.ts';
