import { defineConfig } from 'vitest/config'
import { mutationPlugin } from './redteam/src/mutation-plugin.ts'

// Long runs whose parts other tests show too; `.ci/nightly` runs them.
const exclude = process.env.NACRE_NIGHTLY === '1' ? [] : ['**/*.nightly.test.ts']

export default defineConfig({
  plugins: mutationPlugin(),
  resolve: { conditions: ['development'] },
  ssr: { resolve: { conditions: ['development'] } },
  test: {
    reporters: ['default', './scripts/closing-line.ts'],
    execArgv: ['--conditions=development', '--disable-warning=ExperimentalWarning'],
    testTimeout: 120_000,
    maxWorkers: 3, // of two cores: some files wait for blocks by the wall clock
    projects: [
      // The protocol is pure: its files can share a process, which saves loading it again for each.
      {
        extends: true,
        test: { name: 'protocol', include: ['packages/protocol/test/**/*.test.ts'], exclude, isolate: false },
      },
      {
        extends: true,
        test: {
          name: 'programs',
          include: ['packages/!(protocol)/test/**/*.test.ts', 'bench/test/**/*.test.ts', 'redteam/test/**/*.test.ts'],
          exclude,
        },
      },
    ],
  },
})
