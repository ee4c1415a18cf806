/**
 * `npm run measure:audits -- [--quick] [--out FOLDER]`: what audits cost and find. Writes audits.md, audits.json and the plots; `--quick`
 * takes the devnet's model through all parts with few samples, and without --out writes nothing.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createFastHash, createKernels, createUnitEngine } from '@nacre/engine'
import { presets } from '@nacre/protocol'
import { describeMachine, othersBusy, processorTime } from '../machine.ts'
import { devnetModel, devnetModelParams, task } from '../subjects/devnet.ts'
import { measureAudits } from './measure.ts'
import { files, markdown } from './report.ts'
import type { AuditResult } from './result.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, out: { type: 'string' } } })
const results = fileURLToPath(new URL('../../../docs/results/', import.meta.url))
const out = values.out ?? (values.quick ? undefined : results)

const start = performance.now()
const before = processorTime()
const hash = await createFastHash()
const kernels = await createKernels()
const model = await devnetModel(hash)
const engine = createUnitEngine({ model, kernels, hash, lottery: devnetModelParams })
const measured = measureAudits({
  ...{ model, engine, hash, params: presets.devnet, task: task(0), isQuick: values.quick },
  print: (line) => void process.stderr.write(`${line}\n`),
})
const seconds = (performance.now() - start) / 1000
const busy = othersBusy(before, processorTime(), seconds)
const result: AuditResult = {
  format: 'nacre-audits/1',
  ...{ date: new Date().toISOString(), quick: values.quick, seconds, machine: describeMachine() },
  ...(busy === undefined ? {} : { othersBusy: busy }),
  ...{ model: devnetModelParams.name, preset: presets.devnet.network.name, kernels: kernels.name },
  ...measured,
}
if (out === undefined) process.stdout.write(markdown(result))
else {
  mkdirSync(out, { recursive: true })
  for (const [name, text] of files(result)) writeFileSync(join(out, name), text)
  process.stderr.write(`written to ${out}\n`)
}
