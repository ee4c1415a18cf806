/** `npm run pearl-weaknesses -- [--rounds N] [--out FILE]`: times the weaknesses of the Pearl baseline and writes the table. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeMachine, othersBusy, processorTime } from '../machine.ts'
import { processorMs } from '../timing.ts'
import { pearlPieces } from './pieces.ts'
import { weaknessReport } from './report.ts'
import { zeroStepRank } from './step-rank.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    out: {
      type: 'string',
      default: fileURLToPath(new URL('../../../docs/results/pearl-weaknesses.md', import.meta.url)),
    },
  },
})
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write('--rounds is a whole number from 1\n')
  process.exit(2)
}

/** Rounds that are not counted: compilers warm up in them. */
const WARM_UPS = 3
/** Processor time for each piece and round. */
const BUDGET_MS = 20

const start = performance.now()
const before = processorTime()
const { kernels, pieces, draws } = await pearlPieces()
const samples = new Map([...pieces.keys()].map((name) => [name, [] as number[]]))
for (let round = -WARM_UPS; round < rounds; round++) {
  process.stderr.write(`pearl: round ${round + 1} of ${rounds}\n`)
  for (const [name, { run, per }] of pieces) {
    const ms = processorMs(run, BUDGET_MS)
    if (round >= 0) samples.get(name)!.push(ms / per)
  }
}
const seconds = (performance.now() - start) / 1000
const seed = new Uint8Array(32).fill(1)
const report = weaknessReport({
  date: new Date().toISOString(),
  ...{ seconds, rounds, kernels, draws, samples },
  machine: describeMachine(),
  othersBusy: othersBusy(before, processorTime(), seconds),
  stepRank: new Map([64, 128].map((rank) => [rank, zeroStepRank(seed, 4096, rank)])),
})
writeFileSync(values.out, report)
process.stdout.write(`${report}\nwritten to ${values.out}\n`)
