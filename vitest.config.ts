import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['development'] },
  ssr: { resolve: { conditions: ['development'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'bench/test/**/*.test.ts'],
    reporters: ['default', './scripts/closing-line.ts'],
    execArgv: ['--conditions=development', '--disable-warning=ExperimentalWarning'],
    testTimeout: 120_000,
    maxWorkers: 2,
  },
})
