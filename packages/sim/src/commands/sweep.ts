import { join } from 'node:path'
import { sweepHtml } from '../report/html.ts'
import { groupsOf } from '../report/rows.ts'
import { sweepCsv, sweepJson } from '../report/tables.ts'
import { jobsOf, type SweepPlan } from '../sweep/plan.ts'
import { progressBar } from '../sweep/progress.ts'
import { runSweep } from '../sweep/run-sweep.ts'
import { SweepStore } from '../sweep/store.ts'

export interface SweepCommand {
  readonly plan: SweepPlan
  readonly dir: string
  readonly threads: number
}

/** Runs or continues a sweep and writes its results; returns the exit code: 0, or 130 if it was interrupted. */
export async function sweep({ plan, dir, threads }: SweepCommand): Promise<number> {
  const jobs = jobsOf(plan)
  const store = new SweepStore(dir, plan)
  const abort = new AbortController()
  const interrupt = (): void => abort.abort()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupt)
  let finished = 0
  const showProgress = progressBar(process.stderr)
  const outcomes = await runSweep(jobs, store, {
    threads,
    signal: abort.signal,
    onProgress: (progress) => {
      finished = progress.finished
      showProgress(progress)
    },
  })
  if (outcomes === undefined) {
    process.stderr.write(
      `\nstopped with ${finished} of ${jobs.length} runs finished; the same command goes on from there\n`,
    )
    return 130
  }
  const groups = groupsOf(store.plan, outcomes)
  store.write('results.csv', sweepCsv(store.plan, groups))
  store.write('results.json', sweepJson(store.plan, groups))
  store.write('report.html', sweepHtml(store.plan, groups))
  process.stdout.write(`${['results.csv', 'results.json', 'report.html'].map((name) => join(dir, name)).join('\n')}\n`)
  return 0
}
