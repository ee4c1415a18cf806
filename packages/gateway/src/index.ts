export {
  type AccusationEnd,
  type AccusationState,
  type AccusedAnswer,
  type AnswerProof,
  accusationCost,
  accusationState,
  accusedAnswer,
  bountyOf,
  type OpenDeposit,
  PROOF_DEPTH,
  type ProofKind,
  type ProofPlace,
  type SignedForProof,
} from './jobs/accusation-state.ts'
export { type AccusationProgress, type AccuseOptions, accuse } from './jobs/accuse.ts'
export { createJobClient, DEFAULT_MAX_IN_FLIGHT, DEFAULT_SAMPLE_SHARE, type JobClientOptions } from './jobs/client.ts'
export { type JobClientErrorCode, JobError, type JobErrorCode } from './jobs/errors.ts'
export { nameMiner } from './jobs/name-miner.ts'
export type { SigningJournal } from './jobs/outbox.ts'
export { defaultLifetimeBlocks, leastLifetimeBlocks, type PlannedJob, planJob } from './jobs/plan-job.ts'
export * from './jobs/types.ts'
export { type AnswerClaim, type AnswerVerdict, verifyAnswer } from './jobs/verify-answer.ts'
export { GatewayConfigError } from './openai/config-error.ts'
export { type GatewayModel, gatewayModels, type LoadedModel } from './openai/gateway-models.ts'
export {
  type ApiKey,
  type ApiKeySettings,
  createApiKey,
  DEFAULT_KEY_SETTINGS,
  formatKeys,
  MAX_CONCURRENT,
  MAX_REQUESTS_PER_MINUTE,
  MAX_WINDOW_HOURS,
  parseKeys,
  readKeys,
} from './openai/keys/key-file.ts'
export { SpendingLedger } from './openai/keys/ledger.ts'
export { type MarketAsk, type MarketQuote, type MarketSource, nodeMarket } from './openai/market.ts'
export { defaultPolicy, type Policy, type PriceLimits, parsePolicy, VERIFY_MODES } from './openai/policy.ts'
export { decodingSeed } from './openai/seeds.ts'
export { type Gateway, type ServeOptions, serveGateway } from './openai/serve-gateway.ts'
export { type GatewayOptions, startGateway } from './openai/start-gateway.ts'
export { createScorer, meanLogProbability, type ScoreAnswer } from './swarm/score.ts'
export { bestOf, majorityOf } from './swarm/select.ts'
