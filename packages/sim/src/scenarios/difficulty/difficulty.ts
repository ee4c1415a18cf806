/** Hash-rate steps and hopping miners against the difficulty rules (BLK-6). */
import type { Params } from '@nacre/protocol'
import type { Outcome, Scenario } from '../types.ts'
import { runHopping } from './hopping.ts'
import { checkDifficulty, DIFFICULTY_PARAMS, type DifficultyValues } from './params.ts'
import { runSteps } from './steps.ts'

function run(params: Params, values: DifficultyValues, seed: number): Outcome {
  const { steady, raised, lowered, curve } = runSteps(params, values, seed)
  const hopping = runHopping(params, values, seed)
  return {
    metrics: {
      steadyBlockTimeS: steady.blockTimeS,
      steadySwingPercent: steady.overshootPercent,
      raisedBlockTimeS: raised.blockTimeS,
      raisedRecoverHours: raised.recoverHours,
      raisedOvershootPercent: raised.overshootPercent,
      raisedSurplusBlocks: raised.surplusBlocks,
      loweredBlockTimeS: lowered.blockTimeS,
      loweredRecoverHours: lowered.recoverHours,
      loweredOvershootPercent: lowered.overshootPercent,
      loweredSurplusBlocks: lowered.surplusBlocks,
      recoveredSteps: Number(raised.hasRecovered) + Number(lowered.hasRecovered),
      hoppingBlockTimeS: hopping.blockTimeS,
      hopperBlocksPercent: hopping.blocksPercent,
      hopperWorkPercent: hopping.workPercent,
      hopperStolenPercent: hopping.stolenPercent,
      hopperYield: hopping.yieldRatio,
      hopperVisits: hopping.visits,
    },
    series: { stepDifficulty: curve, hoppingDifficulty: hopping.curve },
  }
}

export const difficulty: Scenario<DifficultyValues> = {
  name: 'difficulty',
  doc: 'Steps of the hash rate and hopping miners: how well does the difficulty rule hold the block time?',
  preset: 'nacre',
  params: DIFFICULTY_PARAMS,
  metrics: {
    steadyBlockTimeS: { unit: 's', doc: 'mean block time at constant hash rate' },
    steadySwingPercent: { unit: '%', doc: 'highest difficulty at constant hash rate over what suits it: chance alone' },
    raisedBlockTimeS: { unit: 's', doc: 'mean block time of the raised phase' },
    raisedRecoverHours: { unit: 'h', doc: 'time to recover from the rise; phaseHours if it does not' },
    raisedOvershootPercent: {
      unit: '%',
      doc: 'highest difficulty after recovery over what suits the raised hash rate',
    },
    raisedSurplusBlocks: { unit: 'blocks', doc: 'blocks of the raised phase beyond the schedule' },
    loweredBlockTimeS: { unit: 's', doc: 'mean block time of the lowered phase' },
    loweredRecoverHours: { unit: 'h', doc: 'time to recover from the fall; phaseHours if it does not' },
    loweredOvershootPercent: { unit: '%', doc: 'lowest difficulty after recovery under what suits the hash rate' },
    loweredSurplusBlocks: { unit: 'blocks', doc: 'blocks of the lowered phase beyond the schedule' },
    recoveredSteps: { unit: 'of 2', doc: 'steps recovered from within their phase' },
    hoppingBlockTimeS: { unit: 's', doc: 'mean block time with hoppers' },
    hopperBlocksPercent: { unit: '%', doc: "hoppers' part of the blocks" },
    hopperWorkPercent: { unit: '%', doc: "hoppers' part of the work done" },
    hopperStolenPercent: { unit: '% points', doc: "hoppers' part of the expected blocks less their part of the work" },
    hopperYield: { unit: 'times', doc: 'expected blocks per work of the hoppers over those of the honest miners' },
    hopperVisits: { unit: 'times', doc: 'how often the hoppers came' },
  },
  series: {
    stepDifficulty: {
      unit: 'of genesis',
      xUnit: 'hours',
      group: 'steps',
      doc: 'difficulty: steady, raised, lowered',
    },
    hoppingDifficulty: { unit: 'of genesis', xUnit: 'hours', group: 'hopping', doc: 'difficulty with hoppers' },
  },
  check: checkDifficulty,
  run,
}
