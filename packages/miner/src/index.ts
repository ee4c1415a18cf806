export { Miner, type MinerOptions, type MinerStats } from './miner.ts'
export { serveOpenings } from './openings.ts'
export { TraceShelf } from './trace-shelf.ts'
export type { UnitJob, UnitOutcome, UnitRunner } from './unit-runner.ts'
