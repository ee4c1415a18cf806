import type { Params } from '@nacre/protocol'
import { gini } from '../../stats/gini.ts'
import { DAY_MS } from '../units.ts'
import type { Hardware } from './hardware.ts'
import { supplyAt } from './payouts.ts'

/** Points of the curves over the run, evenly spaced, the end included. */
const POINTS = 52

/** Counts coins as blocks come, and samples the insider's share on a grid of times. */
export class Holdings {
  readonly #params: Params
  readonly #endMs: number
  readonly #days: number[] = []
  readonly #shares: number[] = []
  #insiderGrains: number
  readonly #cohortGrains: number[]
  #height = 0

  /** The insider is the team too: premine and team share are its coins. */
  constructor(params: Params, cohorts: number, endMs: number) {
    this.#params = params
    this.#endMs = endMs
    this.#insiderGrains = Number(params.emission.premineGrains)
    this.#cohortGrains = new Array<number>(cohorts).fill(0)
  }

  /** Samples every grid point before `timeMs`; call it before the block of that time is counted. */
  advanceTo(timeMs: number): void {
    for (let point = this.#days.length + 1; point <= POINTS && (point * this.#endMs) / POINTS < timeMs; point++) {
      this.#days.push((point * this.#endMs) / POINTS / DAY_MS)
      this.#shares.push(this.insiderSharePercent())
    }
  }

  /** Counts the block at `height`, of which the insider gets `insiderGrains`. */
  add(height: number, insiderGrains: number): void {
    this.#height = height
    this.#insiderGrains += insiderGrains
  }

  /** Counts coins of a public cohort. */
  addCohort(cohort: number, grains: number): void {
    this.#cohortGrains[cohort]! += grains
  }

  /** The insider's part of the supply at the last height, in percent; 0 while there is none. */
  insiderSharePercent(): number {
    const supply = supplyAt(this.#params, this.#height)
    return supply === 0 ? 0 : (100 * this.#insiderGrains) / supply
  }

  /** Samples the rest of the grid. */
  finish(): { days: number[]; sharesPercent: number[] } {
    this.advanceTo(Number.POSITIVE_INFINITY)
    return { days: this.#days, sharesPercent: this.#shares }
  }

  /** Inequality of coins among units of hardware: 0 if each unit of hardware got the same. */
  gini(hardware: Hardware): number {
    return gini([
      { size: hardware.insider, amount: this.#insiderGrains },
      ...hardware.cohorts.map((cohort, i) => ({ size: cohort.hardware, amount: this.#cohortGrains[i]! })),
    ])
  }
}
