/** The document a run leaves: plain data, written as JSON, and all that the report is made of. */
import type { Machine } from './machine.ts'
import type { SectionSpec, SubjectId } from './section.ts'
import type { Spread } from './stats.ts'

export interface RowResult {
  readonly id: string
  readonly label: string
  readonly subject: SubjectId
  /** Milliseconds of one piece of work by round. */
  readonly samples: readonly (number | null)[]
  /** Of the samples; undefined if there are none, and then `missing` says why. */
  readonly ms: Spread | undefined
  readonly missing?: string
  /** From the median. */
  readonly rate?: { readonly value: number; readonly unit: string }
  readonly note?: string
}

export interface RatioResult {
  readonly id: string
  readonly label: string
  /** Undefined where a side was not measured. */
  readonly ratio: Spread | undefined
}

export interface SectionResult {
  readonly id: string
  readonly topic: SectionSpec['topic']
  readonly group: string
  readonly title: string
  readonly rows: readonly RowResult[]
  readonly ratios: readonly RatioResult[]
}

export interface GoalResult {
  readonly text: string
  readonly comparison: 'at least' | 'at most'
  readonly target: number
  readonly value: Spread | undefined
  readonly met: boolean | undefined
}

export interface Result {
  readonly format: 'nacre-bench/1'
  readonly date: string
  readonly quick: boolean
  readonly seconds: number
  readonly machine: Machine
  /** Of the last minute, in processes, and the cores that other processes kept busy during the run, where the system tells. */
  readonly load: { readonly before: number; readonly after: number; readonly others?: number }
  readonly subjects: readonly { readonly id: SubjectId; readonly label: string; readonly version: string }[]
  /** Subjects that do not run here, with the reason. */
  readonly absent: readonly { readonly id: SubjectId; readonly label: string; readonly reason: string }[]
  /** Products that differ although their operands are equal: a wrong result is no result. */
  readonly disagreements: readonly string[]
  readonly sections: readonly SectionResult[]
  readonly goals: readonly GoalResult[]
}
