/**
 * Errors are data (CNV-8): a stable code, a verdict for whoever sent the input, and a message for people.
 *
 * `ignore`: maybe valid later or elsewhere (an unknown parent, a time slightly ahead), the sender is not to blame.
 * `reject`: provably bad, whoever made it broke a rule.
 */
export type Verdict = 'ignore' | 'reject'

/** Every rejection code of the protocol with its verdict; `docs/spec` lists the rule behind each. */
export const ERROR_VERDICTS = {
  // codec (CNV-1, CNV-7)
  CODEC_MALFORMED: 'reject',
  CODEC_TRAILING_BYTES: 'reject',
  CODEC_NOT_CANONICAL: 'reject',
  CODEC_TOO_LARGE: 'reject',
  // keys (CNV-3, CNV-5)
  KEY_INVALID: 'reject',
  ADDRESS_INVALID: 'reject',
  SIGNATURE_INVALID: 'reject',
  // Merkle trees (CNV-6)
  MERKLE_INDICES_NOT_INCREASING: 'reject',
  MERKLE_INDEX_OUT_OF_RANGE: 'reject',
  MERKLE_PROOF_LENGTH: 'reject',
  MERKLE_ROOT_MISMATCH: 'reject',
  // parameters (section 4)
  PARAM_UNKNOWN: 'reject',
  PARAM_TYPE: 'reject',
  PARAM_RANGE: 'reject',
  PARAM_CONTRADICTION: 'reject',
  PARAM_NOT_IMPLEMENTED: 'reject',
  // models (MOD); UNSUPPORTED: a sound model of another kind, which only an import meets
  MODEL_MALFORMED: 'reject',
  MODEL_UNSUPPORTED: 'ignore',
  MODEL_UNREGISTERED: 'reject',
  // units and traces (UNT, TRC)
  UNIT_LANE: 'reject',
  UNIT_SHAPE: 'reject',
  UNIT_PARENT: 'reject',
  UNIT_PROMPT: 'reject',
  UNIT_MODEL: 'reject',
  UNIT_JOB: 'reject',
  UNIT_RANK: 'reject',
  TRACE_DIMENSIONS: 'reject',
  TRACE_LEAF: 'reject',
  STEP_OUT_OF_RANGE: 'reject',
  STEP_OPENING: 'reject',
  STEP_MISMATCH: 'reject',
  // lottery (WRK)
  TICKET_POSITION: 'reject',
  TICKET_LOSES: 'reject',
  TICKET_PROOF_HASH: 'reject',
  TICKET_PROOF_SHAPE: 'reject',
  TICKET_PROOF_OPENING: 'reject',
  TICKET_STATE_MISMATCH: 'reject',
  // blocks (BLK)
  BLOCK_VERSION: 'reject',
  BLOCK_CHAIN: 'ignore',
  BLOCK_HEIGHT: 'reject',
  BLOCK_PARENT_UNKNOWN: 'ignore',
  BLOCK_PARENT_INVALID: 'reject',
  BLOCK_TIME_TOO_OLD: 'reject',
  BLOCK_TIME_FUTURE: 'ignore',
  BLOCK_BEFORE_LAUNCH: 'reject',
  BLOCK_BITS: 'reject',
  BLOCK_BEACON: 'reject',
  BLOCK_BODY_ROOT: 'reject',
  BLOCK_STATE_ROOT: 'reject',
  BLOCK_TOKENS: 'reject',
  BLOCK_REPLAY_TOKENS: 'reject',
  BLOCK_REPLAY_TRACE: 'reject',
  BLOCK_TOO_MANY_TRANSACTIONS: 'reject',
  BLOCK_TOO_MANY_ACCUSATIONS: 'reject',
  BLOCK_KEY_BARRED: 'reject',
  BLOCK_RECEIPT: 'reject',
  // transactions and ledger (ECO)
  TX_CHAIN: 'reject',
  TX_KIND_UNSUPPORTED: 'reject',
  TX_NONCE_LOW: 'reject',
  TX_NONCE_GAP: 'ignore',
  TX_FEE_TOO_LOW: 'reject',
  TX_INSUFFICIENT_FUNDS: 'ignore',
  TX_AMOUNT: 'reject',
  TX_REGISTRATION: 'reject',
  TX_EQUIVOCATION: 'reject',
  LEDGER_OVERFLOW: 'reject',
  // the Pearl baseline (chapter 12)
  PEARL_ARGUMENT: 'reject',
  PEARL_HEADER: 'reject',
  PEARL_BITS: 'reject',
  PEARL_CONFIGURATION: 'reject',
  PEARL_PATTERN: 'reject',
  PEARL_PROOF: 'reject',
  PEARL_DIMENSIONS: 'reject',
  PEARL_RANK: 'reject',
  PEARL_K: 'reject',
  PEARL_TILE: 'reject',
  PEARL_INDICES: 'reject',
  PEARL_OFFSET: 'reject',
  PEARL_LEAF_COUNT: 'reject',
  PEARL_LEAVES: 'reject',
  PEARL_PADDING: 'reject',
  PEARL_OPENING: 'reject',
  PEARL_ENTRY: 'reject',
  PEARL_LOSES: 'reject',
  // jobs (JOB, ECO-4); what depends on the state of a branch is `ignore`: elsewhere, or later, it may hold
  JOB_MODEL: 'reject',
  JOB_PROMPT: 'reject',
  JOB_PROMPT_TOO_LONG: 'reject',
  JOB_NEW_TOKENS: 'reject',
  JOB_MACS: 'reject',
  JOB_PRICE: 'reject',
  JOB_MINER: 'reject',
  JOB_EXPIRED: 'ignore',
  JOB_EXPIRY_TOO_FAR: 'ignore',
  JOB_BOOK_FULL: 'ignore',
  // asks (ECO-7)
  ASK_MODEL: 'reject',
  ASK_PRICE: 'reject',
  ASK_MINER: 'ignore',
  // receipts (UNT-1, UNT-2, ECO-4)
  RECEIPT_JOB: 'ignore',
  RECEIPT_UNASSIGNED: 'ignore',
  RECEIPT_DOUBLE: 'ignore',
  RECEIPT_MINER: 'ignore',
  RECEIPT_WINDOW: 'ignore',
  RECEIPT_BRANCH: 'ignore',
  RECEIPT_TOKENS: 'reject',
  // audits (AUD); what depends on the state of a branch is `ignore`
  AUDIT_OFF: 'reject',
  AUDIT_UNIT: 'ignore',
  ACCUSATION_KNOWN: 'ignore',
  ACCUSATION_UNCOMMITTED: 'ignore',
  ACCUSATION_EARLY: 'ignore',
  BLOCK_TOO_MANY_PROOFS: 'ignore',
  RECEIPT_ANSWER: 'reject',
  EPOCH_WINDOW: 'ignore',
  EPOCH_VERIFIER: 'ignore',
  EPOCH_FULL: 'ignore',
  EPOCH_SECRET: 'reject',
  VERDICT_VERIFIER: 'ignore',
  VERDICT_DELIVERY: 'ignore',
  VERDICT_DOUBLE: 'ignore',
  VERDICT_SIZE: 'reject',
  VERDICT_UNKNOWN: 'ignore',
  VERDICT_STEP: 'reject',
  PLANT_OFF: 'reject',
  PLANT_WINDOW: 'ignore',
  PLANT_MINER: 'ignore',
  PLANT_FULL: 'ignore',
  PLANT_SECRET: 'reject',
  PLANT_UNIT: 'ignore',
  PLANT_FOUND: 'ignore',
  CHALLENGE_SENDER: 'ignore',
  CHALLENGE_BOND: 'reject',
  CHALLENGE_WINDOW: 'ignore',
  CHALLENGE_DOUBLE: 'ignore',
  CHALLENGE_LIMIT: 'ignore',
  RESPONSE_UNASKED: 'ignore',
  FREIVALDS_SHAPE: 'reject',
  FREIVALDS_RANGE: 'reject',
  FREIVALDS_MISMATCH: 'reject',
} as const

export type ErrorCode = keyof typeof ERROR_VERDICTS

/** The only error that consensus code throws for bad input. Anything else that escapes is a bug. */
export class ProtocolError extends Error {
  readonly code: ErrorCode
  readonly verdict: Verdict

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options)
    this.name = 'ProtocolError'
    this.code = code
    this.verdict = ERROR_VERDICTS[code]
  }
}

/** Throws a {@link ProtocolError} with `code` unless `condition` holds. */
export function check(condition: boolean, code: ErrorCode, message: string): asserts condition {
  if (!condition) throw new ProtocolError(code, message)
}
