export { AskKeeper, type AskOptions, type AskView } from './ask-keeper.ts'
export { ChallengeResponder, type ChallengeResponderOptions } from './challenge-responder.ts'
export { Miner, type MinerOptions, type MinerStats } from './miner.ts'
export { engineOpenRunner, type OpenDraw, OpenLane, type OpenLaneOptions, type OpenRunner } from './open-lane.ts'
export { serveOpenings } from './openings.ts'
export { OwedTraces, type OwedTracesOptions } from './owed-traces.ts'
export { type PlantedJob, Plants, plantedTrace } from './plants.ts'
export { reportEquivocation } from './report-equivocation.ts'
export { TraceFiles, type TraceFilesOptions } from './trace-files.ts'
export { TraceShelf } from './trace-shelf.ts'
export {
  type ExecutedUnit,
  engineUnitRunner,
  type ReplayedUnit,
  type UnitJob,
  type UnitOutcome,
  type UnitRunner,
  type WinningUnit,
} from './unit-runner.ts'
