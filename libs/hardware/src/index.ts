export { EXAMPLE_BOARDS, exampleFacts } from './example-facts.ts';
export { FACT_PATHS, type FactPath, type FactStep, type FactType, factValues } from './fact-path.ts';
export { type Accelerator, type DeviceFacts, deviceFactsSchema, type RuntimeFact } from './facts.ts';
export { matchProfile, type ProfileCandidate, type ProfileMatch, specificity } from './match-profile.ts';
export { type ConsideredVariant, chooseVariant, type VariantChoice } from './match-variant.ts';
export { type Profile, ProfileError, type ProfileRuntime, parseProfile, profileSchema } from './profile.ts';
export { type MatchableVariant, REJECTION_CODES, type Rejection, type RejectionCode } from './variant-filter.ts';
