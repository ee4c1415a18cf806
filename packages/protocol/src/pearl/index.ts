/** Chapter 12: the Pearl baseline, with which the rules of chapters 6 to 9 are compared. */
export { CHUNK_BYTES } from './blake3.ts'
export {
  CONFIGURATION_BYTES,
  type Configuration,
  checkConfiguration,
  decodeConfiguration,
  encodeConfiguration,
  foldedLength,
} from './configuration.ts'
export { BLOCK_SECONDS, nextBits, POW_LIMIT_BITS, targetFromBits, WTEMA_SECONDS } from './difficulty.ts'
export { EMISSION_BLOCKS, SUPPLY_GRAINS, subsidy } from './emission.ts'
export { decodeHeader, encodeHeader, HEADER_BYTES, type PearlHeader } from './header.ts'
export * from './limits.ts'
export {
  LABEL_A,
  LABEL_B,
  type Label,
  type NoisedRowsInput,
  noisedRows,
  randomBlock,
  SLOT_SPARSE,
  SLOT_UNIFORM,
  sparseFactor,
  uniformFactor,
  uniformFactorRows,
} from './noise.ts'
export { type TileInput, tileState } from './opened-tile.ts'
export {
  decodePattern,
  encodePattern,
  offsetIsValid,
  PATTERN_BYTES,
  type Pattern,
  type PlacedPattern,
  patternIndices,
  patternMax,
  patternOfIndices,
  patternPeriod,
  patternSize,
} from './pattern.ts'
export { decodePlainProof, encodePlainProof, type MatrixOpening, type PlainProof } from './plain-proof.ts'
export {
  bindRoot,
  jobKey,
  type NoiseSeedInput,
  type NoiseSeeds,
  noiseSeeds,
  SALT_A,
  SALT_B,
  SEED_RULES,
  type SeedRule,
} from './seeds.ts'
export {
  foldTile,
  PENALTY_BASE_RANK,
  type TicketWork,
  type TileRows,
  type TileShape,
  ticketBound,
  ticketHash,
  ticketWins,
} from './tile.ts'
export { type ChunkTree, chunksOfRows, chunkTree, openChunks, operandRoot, rootOfChunks, verifyChunks } from './tree.ts'
export { configurationOf, type VerifiedProof, type VerifyOptions, verifyPlainProof } from './verify-plain-proof.ts'
export {
  type CommittedWork,
  commitWork,
  createPlainProof,
  type DrawnTile,
  drawTile,
  findTile,
  openTile,
  tileOffsets,
  type Work,
} from './work.ts'
