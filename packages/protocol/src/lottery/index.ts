/** Chapter 8: the lottery (WRK-1 to WRK-7). */
export { type DenoiseInput, denoise, timesSparse } from './denoise.ts'
export { bestTicket, type DrawInput, drawUnit, noisedProduct } from './draw.ts'
export {
  permutedSparseFactor,
  SLOT_PARTNER,
  SLOT_PERMUTATION,
  SLOT_UNIFORM,
  type SparseFactor,
  sparseFactorOf,
  uniformFactor,
  uniformFactorRows,
} from './factors.ts'
export {
  type FoldedProduct,
  type FoldedTile,
  type FoldShape,
  foldProduct,
  foldStep,
  foldTile,
  foldTileProduct,
  type ProductShape,
} from './fold.ts'
export {
  checkHeaderTicket,
  checkTicketPosition,
  type HeaderTicketCheck,
  type HeaderTicketInput,
  headerTicket,
} from './header-ticket.ts'
export {
  NOISED_MAX,
  type Noise,
  noisedOperandRows,
  noisedWeightColumns,
  noiseElement,
  noiseMatrix,
  noiseRow,
  operandNoise,
  weightNoise,
} from './noise.ts'
export {
  type NoisedWeights,
  noisedColumns,
  noiseWeights,
  type WeightNoiseCache,
  type WeightSide,
  weightSeedOf,
} from './noised-weights.ts'
export { operandRows, preRootOf, promptLeaves, residualRow, ticketMatrix } from './operand.ts'
export {
  buildTicketProof,
  foldOpenedTile,
  MAX_TICKET_PROOF_ROWS,
  type TicketProofInput,
  type TileFold,
  type TileInput,
  ticketProofCodec,
  ticketProofHash,
  verifyTicketProof,
} from './proof.ts'
export { checkTicketProofFits, ticketProofBytes } from './proof-size.ts'
export { RANDOM_BLOCK_BYTES, randomBlock, randomStream } from './random-block.ts'
export {
  DRAW_BOUND,
  type DrawBindings,
  OPERAND_NOISE_LABEL,
  type OperandSeedInput,
  operandNoiseSeed,
  WEIGHT_NOISE_LABEL,
  type WeightSeedInput,
  weightNoiseSeed,
} from './seeds.ts'
export {
  drawMacs,
  type LotteryParams,
  TICKET_OPS,
  type TicketKeyInput,
  type TicketRules,
  type TicketShape,
  ticketHash,
  ticketKey,
  ticketMacs,
  ticketShape,
  ticketThreshold,
  ticketWins,
  unitTickets,
} from './tickets.ts'
export { FOLD_WORDS, type Ticket, type TicketPosition, type TicketProof } from './types.ts'
