/** AUD-4, P5: 10,000 audited steps of random honest jobs on the devnet's model, without a false alarm. */
import { createFastHash, createKernels, createUnitEngine } from '@nacre/engine'
import { presets } from '@nacre/protocol'
import { expect, test } from 'vitest'
import { honestRuns } from '../src/audits/honest.ts'
import { devnetModel, devnetModelParams } from '../src/subjects/devnet.ts'

test('no alarm', async () => {
  const hash = await createFastHash()
  const model = await devnetModel(hash)
  const engine = createUnitEngine({ model, kernels: await createKernels(), hash, lottery: devnetModelParams })
  const result = honestRuns({ model, engine, hash, params: presets.devnet, steps: 10_000 })
  expect(result).toMatchObject({ alarms: 0 })
  expect(result.drawn).toBeGreaterThanOrEqual(10_000)
}, 600_000)
