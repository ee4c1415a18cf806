import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['development'] },
  ssr: { resolve: { conditions: ['development'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'bench/test/**/*.test.ts'],
    // Long runs of real processes whose parts other tests show too; `.ci/nightly` runs them.
    exclude: process.env.NACRE_NIGHTLY === '1' ? [] : ['**/*.nightly.test.ts'],
    reporters: ['default', './scripts/closing-line.ts'],
    execArgv: ['--conditions=development', '--disable-warning=ExperimentalWarning'],
    testTimeout: 120_000,
    maxWorkers: 3, // of two cores: some files wait for blocks by the wall clock,
  },
})
