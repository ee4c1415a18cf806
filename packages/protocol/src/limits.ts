/** Hard bounds that hold under every parameter set (CNV-7). Parameters can only be tighter. */

/** Largest message that travels by gossip: a block with its ticket proof, or a transaction (NET-2). */
export const MAX_GOSSIP_BYTES: number = 1 << 20
/** Largest encoded header. */
export const MAX_HEADER_BYTES = 1024
/** Largest encoded transaction. */
export const MAX_TRANSACTION_BYTES: number = 512 * 1024
/** Transactions in one block. */
export const MAX_BLOCK_TRANSACTIONS = 1024
/** Equivocation proofs in one block: each costs four signature checks and the search of a key's immature amounts (BLK-3). */
export const MAX_BLOCK_ACCUSATIONS = 16
/** Ranks of one assignment: rank 0 and its fallbacks (ECO-6). */
export const MAX_JOB_RANKS = 8
/** Jobs of one model that wait for clearing. */
export const MAX_OPEN_JOBS = 4096
/** Jobs of one model that one block clears (ECO-7). */
export const MAX_CLEARED_JOBS = 256
/** Standing asks of one model. */
export const MAX_ASKS = 1024
/** Verifiers that commit to a secret for one epoch (AUD-1). */
export const MAX_EPOCH_VERIFIERS = 256
/** Steps drawn for one audit (AUD-2). */
export const MAX_AUDIT_STEPS = 64
/** Fraud and verdict proofs in one block (AUD-4); challenges in one block, and responses (AUD-3). */
export const MAX_BLOCK_PROOFS = 64
/** Challenges of one unit over its whole life, and challenges of all units that come due at one height (AUD-3). */
export const MAX_UNIT_CHALLENGES = 256
export const MAX_DUE_CHALLENGES = 4096
/** Bytes that the responses to one block's challenges may take of a block (AUD-3). */
export const MAX_RESPONSE_BYTES: number = 512 * 1024
/** Miners that commit to plants of one epoch, plants of one miner in it, and those who find one of them (AUD-8). */
export const MAX_EPOCH_PLANTERS = 256
export const MAX_PLANTS = 64
export const MAX_FINDERS = 16
/** Tokens of one unit, prompt and generated together. */
export const MAX_UNIT_TOKENS: number = 1 << 16
/** Largest encoded ticket proof. */
export const MAX_TICKET_PROOF_BYTES: number = 256 * 1024
/**
 * Largest plain proof of a block of the open lane: the rows of the narrowest tile at the largest k (12 x 65,536 bytes) with their
 * siblings. Header and body have the rest of MAX_GOSSIP_BYTES.
 */
export const MAX_OPEN_PROOF_BYTES: number = 832 * 1024
/** Largest fraud proof and so largest opening of one step (TRC-4). */
export const MAX_STEP_OPENING_BYTES: number = 256 * 1024
/** Leaves of one Merkle tree. */
export const MAX_MERKLE_LEAVES: number = 2 ** 31
/** Hashes in one multiproof. */
export const MAX_MERKLE_PROOF_HASHES = 4096
/** Model dimensions: bounds of section 5 structures so that no product of two exceeds 2^53. */
export const MAX_MODEL_DIMENSION: number = 1 << 17
export const MAX_MODEL_LAYERS = 256
export const MAX_SEQUENCE_LENGTH: number = 1 << 16
/** Weights of a model that a miner brings where B2 is off: made again by every node in about a tenth of a second. */
export const MAX_GENERATED_WEIGHTS: number = 1 << 20
/** Generated models that a node keeps, so that one block costs one generation. */
export const MAX_GENERATED_MODELS = 4
/** Right signatures whose check is kept: about half a kilobyte each. */
export const MAX_KEPT_SIGNATURES = 4096
/** Models listed in one parameter set. */
export const MAX_MODELS = 16
/** Length of a text parameter, and of a model's name. */
export const MAX_NAME_BYTES = 64
/** One piece of a tokenizer, and a whole one (MOD-7). */
export const MAX_PIECE_BYTES = 256
export const MAX_TOKENIZER_BYTES: number = 1 << 23
