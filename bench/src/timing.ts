import type { Measured } from './jobs.ts'

/** One run to warm the caches, then as many as fill the budget, at least one: the mean of those. */
export function timeRuns(run: () => unknown, budgetMs: number): Measured {
  const runs = runsFor(elapsed(run), budgetMs)
  return {
    ms:
      elapsed(() => {
        for (let i = 0; i < runs; i++) run()
      }) / runs,
    runs,
  }
}

/** As {@link timeRuns} for work that ends later. */
export async function timeAsyncRuns(run: () => Promise<unknown>, budgetMs: number): Promise<Measured> {
  const before = performance.now()
  await run()
  const runs = runsFor(performance.now() - before, budgetMs)
  const start = performance.now()
  for (let i = 0; i < runs; i++) await run()
  return { ms: (performance.now() - start) / runs, runs }
}

export function elapsed(run: () => unknown): number {
  const start = performance.now()
  run()
  return performance.now() - start
}

function runsFor(onceMs: number, budgetMs: number): number {
  return Math.max(1, Math.ceil(budgetMs / Math.max(onceMs, 1e-4)))
}

/** Milliseconds that one run keeps this thread busy: unlike time on the clock they do not grow when other processes wait for the cores. */
export function processorMs(run: () => unknown, budgetMs: number): number {
  const busyMs = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  const startMs = busyMs()
  let runs = 0
  for (let batch = 1; busyMs() - startMs < budgetMs; batch *= 2) {
    for (let i = 0; i < batch; i++) run()
    runs += batch
  }
  return (busyMs() - startMs) / runs
}
