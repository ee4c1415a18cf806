import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../errors.ts'
import type { Outcome } from '../scenarios/types.ts'
import type { SweepPlan } from './plan.ts'

const PLAN_FILE = 'plan.json'
const JOBS_DIR = 'jobs'
const UNFINISHED = '.unfinished'

/**
 * A sweep's folder: `plan.json`, and one file per finished run in `jobs/`. Files appear whole or not at all (written aside,
 * then renamed), so a sweep that is killed at any time goes on where it was. One process at a time.
 */
export class SweepStore {
  readonly dir: string
  /** The plan with the commit at which the sweep began: later ones with the same sources do not change results. */
  readonly plan: SweepPlan

  /** Opens or makes the folder. Throws UsageError if it holds another sweep, or something else. */
  constructor(dir: string, plan: SweepPlan) {
    this.dir = dir
    mkdirSync(dir, { recursive: true })
    const found = readIfThere(join(dir, PLAN_FILE))
    if (found === undefined) {
      const others = readdirSync(dir).filter((name) => !name.endsWith(UNFINISHED))
      if (others.length > 0) throw new UsageError(`${dir} is not empty and holds no sweep`)
      this.write(PLAN_FILE, `${JSON.stringify(plan, undefined, 2)}\n`)
      this.plan = plan
    } else {
      this.plan = { ...plan, commit: commitOfSame(dir, found, plan) }
    }
    mkdirSync(join(dir, JOBS_DIR), { recursive: true })
    for (const name of readdirSync(join(dir, JOBS_DIR)))
      if (name.endsWith(UNFINISHED)) rmSync(join(dir, JOBS_DIR, name))
  }

  /** Writes a file of the folder in one step. */
  write(name: string, content: string): void {
    const path = join(this.dir, name)
    writeFileSync(path + UNFINISHED, content)
    renameSync(path + UNFINISHED, path)
  }

  saveOutcome(index: number, outcome: Outcome): void {
    this.write(join(JOBS_DIR, fileOf(index)), `${JSON.stringify(outcome)}\n`)
  }

  /** The outcome of run `index`, or undefined if it is not finished. A file that a crash of the machine cut short does not count. */
  loadOutcome(index: number): Outcome | undefined {
    const text = readIfThere(join(this.dir, JOBS_DIR, fileOf(index)))
    if (text === undefined) return undefined
    try {
      return JSON.parse(text) as Outcome
    } catch {
      return undefined
    }
  }
}

const fileOf = (index: number): string => `${String(index).padStart(6, '0')}.json`

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** The commit of the plan in the folder. Throws UsageError if that plan differs from `plan` in anything else. */
function commitOfSame(dir: string, found: string, plan: SweepPlan): string {
  let old: Partial<SweepPlan>
  try {
    old = JSON.parse(found) as Partial<SweepPlan>
  } catch {
    throw new UsageError(`${join(dir, PLAN_FILE)} is damaged; choose another --out`)
  }
  const keys = (Object.keys(plan) as (keyof SweepPlan)[]).filter((key) => key !== 'commit')
  const differences = keys
    .filter((key) => JSON.stringify(old[key]) !== JSON.stringify(plan[key]))
    .map((key) => `its ${key} is ${JSON.stringify(old[key])}, not ${JSON.stringify(plan[key])}`)
  if (differences.length > 0)
    throw new UsageError(`${dir} holds another sweep: ${differences.join('; ')}; choose another --out`)
  return old.commit ?? 'unknown'
}
