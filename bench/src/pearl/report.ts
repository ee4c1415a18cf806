/** docs/results/pearl-weaknesses.md: what each weakness of the Pearl baseline costs, and which rule of Nacre excludes it. */
import { OPEN_WORKS } from '@nacre/engine'
import { pearl } from '@nacre/protocol'
import type { Machine } from '../machine.ts'
import { figure, table, withQuartiles } from '../report/format.ts'
import { ratios, type Spread, spreadOf } from '../stats.ts'
import { FREE, OPERANDS, type Pieces, PRODUCTS_ALONE, RANK_K, RANKS } from './pieces.ts'
import { PROOF_NAMES } from './proofs.ts'

export interface Measured {
  readonly date: string
  readonly seconds: number
  readonly rounds: number
  readonly machine: Machine
  /** Cores that other processes kept busy; undefined where that is not known. */
  readonly othersBusy: number | undefined
  readonly kernels: string
  readonly draws: Pieces['draws']
  /** Milliseconds of each piece by round, divided by what it is counted in. */
  readonly samples: ReadonlyMap<string, readonly number[]>
  /** Part of its width that a fold step keeps with zero operands, by rank. */
  readonly stepRank: ReadonlyMap<number, number>
}

const micro = ({ median, q1, q3, ...rest }: Spread): string =>
  withQuartiles({ ...rest, median: 1000 * median, q1: 1000 * q1, q3: 1000 * q3 })

export function weaknessReport(measured: Measured): string {
  const { samples, draws, stepRank } = measured
  const of = (name: string): Spread => spreadOf(samples.get(name)!)!
  const ratio = (name: string, over: string): string =>
    withQuartiles(spreadOf(ratios(samples.get(name)!, samples.get(over)!))!)
  const ticket = 'operands/random'
  const kept = stepRank.get(FREE.rank)!
  return `${[
    '# The weaknesses of the Pearl baseline, in time',
    `Written by \`npm run pearl-weaknesses\` on ${measured.date.slice(0, 10)} in ${Math.round(measured.seconds)} s. ${machineText(measured)} All kinds were measured in turns, ${measured.rounds} rounds; figures are medians with quartiles in brackets, ratios those within each round. Times are processor time of one thread of the engine (${measured.kernels} kernels), which miners of the preset \`pearl\` use. The cases themselves, with what each rule answers, are \`packages/protocol/test/pearl-weaknesses.test.ts\`; the rules are in [chapter 12](../spec/12-pearl.md).`,
    '## All of them',
    overview(of, ratio, kept),
    '## Miners with the same processor time',
    `The kinds of work of \`nacre node --work\`. The tickets of \`inference\` are over activations of nacre-small for real prompts, times its weights; every product that Pearl counts is one that the model needs. It also decodes, which draws nothing, and its forward pass does the prompt's products once more, since it takes none out of the noised product. \`without decoding and second products\` is what would be left at best.`,
    table(
      [
        'work',
        'µs for each ticket',
        'billion products a second',
        'tokens a second',
        'blocks for the same time, random = 1',
      ],
      [...OPEN_WORKS.map((work) => minerRow(work, draws, of, ticketRate)), productsRow(draws, of)],
      [1, 2, 3, 4],
    ),
    '## Operands',
    `A product of ${FREE.m} x ${FREE.columns[0]} tiles of ${FREE.h} x ${FREE.w} at k = ${FREE.k}, r = ${FREE.rank}: noise of A, product, folds and tickets' hashes; B' is kept, as on one tip. The kernels multiply zeros as fast as anything else.`,
    table(
      ['operands', 'µs for each ticket', 'time over random'],
      OPERANDS.map((name) => [name, micro(of(`operands/${name}`)), ratio(`operands/${name}`, ticket)]),
      [1, 2],
    ),
    `What structure could save at most: with both operands zero a fold step adds a product of the noise alone, whose inner dimension is the rank of E_R F_L in that step. It is ${[...stepRank].map(([rank, part]) => `${figure(100 * part)} % of r at r = ${rank}`).join(', ')}. So ${figure(100 * (1 - kept))} % of the products could be left out, in exchange for factors of 14 bits instead of 8, of which units for int8 products have no use. The kernels here do not try.`,
    '## Rank of the miner’s choice',
    `k = ${RANK_K}, tiles of 16 x 16. Credited products are what the ticket's bound counts; with the penalty a fold step counts as ${pearl.PENALTY_BASE_RANK} products whatever its length.`,
    table(
      ['rank', 'µs for each ticket', 'credited, billion a second', 'with the penalty'],
      RANKS.map((rank) => {
        const { median } = of(`rank/${rank}`)
        const credit = (penalty: boolean): string =>
          figure(Number(pearl.ticketBound(1n, { h: 16, w: 16, k: RANK_K, rank }, penalty)) / median / 1e6)
        return [
          String(rank),
          micro(of(`rank/${rank}`)),
          credit(false),
          rank < pearl.PENALTY_BASE_RANK ? 'refused' : credit(true),
        ]
      }),
      [1, 2, 3],
    ),
    '## Verification of a plain proof',
    'From its bytes, as nodes do it. Pool operators report 1 to 4 ms for Pearl’s own verifier. The first verifications of a process take tens of milliseconds, before the code is compiled.',
    table(
      ['proof', 'ms'],
      PROOF_NAMES.map((name) => [name, withQuartiles(of(`verify/${name}`))]),
      [1],
    ),
  ].join('\n\n')}\n`
}

const ticketRate = (macs: number, tickets: number, msPerTicket: number): number => macs / tickets / msPerTicket / 1e6

function overview(of: (name: string) => Spread, ratio: (name: string, over: string) => string, kept: number): string {
  const product = micro(of('operands/random'))
  const one = (name: string): string => `${micro(of(name))} once, then a product`
  return table(
    ['case', 'under the baseline', 'a ticket costs, µs', 'excluded in Nacre by'],
    [
      ['random operands', 'valid', product, 'B1: `UNIT_PROMPT`, `TICKET_PROOF_OPENING`; B6: `BLOCK_REPLAY_TRACE`'],
      [
        'zero operands',
        'valid',
        `${micro(of('operands/zero'))}; ${figure(100 * kept)} % of the products are needed`,
        'B1, B6, as above',
      ],
      ['all rows equal', 'valid', micro(of('operands/all rows equal')), 'B1, B6, as above'],
      ['low rank', 'valid', micro(of('operands/rank 1')), 'B1, B6, as above'],
      ['weights that nobody registered', 'valid', product, 'B2: `UNIT_MODEL`, `TICKET_STATE_MISMATCH`'],
      [
        'unbound dimensions, legacy rule',
        'valid: one ticket under each number of rows with the same opened half',
        `${micro(of('claim/legacy'))} for another claim of one ticket; under version 3 a whole product`,
        'B3: m, k, n, r are in the seeds; leaf counts in every root (CNV-6)',
      ],
      [
        'dimensions above 2^32',
        '`PEARL_DIMENSIONS`; a cast to 32 bits took them',
        'nothing',
        'dimensions are the model’s and the unit’s, no proof names them (B1, B2)',
      ],
      [
        'wrapped offsets and indices',
        '`PEARL_INDICES`; sums modulo 2^32 took them',
        `${micro(of('refold'))} for a ticket over rows that are multiplied already`,
        'a header names a full tile: `TICKET_POSITION` (WRK-3)',
      ],
      [
        'rank of the miner’s choice',
        'valid without the penalty',
        `${ratio('rank/1024', 'rank/64')} of rank 64 at rank 1024`,
        'WRK-6: `TICKET_STATE_MISMATCH`',
      ],
      [
        'a new A',
        'valid',
        `${micro(of('fresh/a new A'))} once to hash it, then a product`,
        'B1, B5: one prompt for a (parent, unit, miner)',
      ],
      [
        'one entry of A changed',
        'valid',
        one('fresh/one entry of A changed'),
        'B5: no nonce; B6: another trace fails re-execution',
      ],
      [
        'a root with nothing behind what is not opened',
        'valid',
        one('fresh/another root with nothing behind it'),
        'B6: winners are executed again (BLK-4)',
      ],
      ['the same operands in the next block', 'valid', product, 'B5: the unit id carries the parent'],
      [
        'a tile drawn before the rest exists',
        'valid',
        micro(of('tile alone')),
        'B4: tickets are keyed by the root of the whole trace',
      ],
      ['real inference (nacre-small)', 'valid', micro(of('draw/inference')), 'what is left'],
    ],
    [],
  )
}

function minerRow(
  work: (typeof OPEN_WORKS)[number],
  draws: Pieces['draws'],
  of: (name: string) => Spread,
  rate: typeof ticketRate,
): string[] {
  const { macs, tickets, newTokens } = draws.get(work)!
  const time = of(`draw/${work}`)
  const speed = rate(macs, tickets, time.median)
  const random = draws.get('random')!
  const best = rate(random.macs, random.tickets, of('draw/random').median)
  return [work, micro(time), figure(speed), figure((1000 * newTokens) / (tickets * time.median)), figure(speed / best)]
}

/** The part of a draw of inference that mining adds: what is left for who gets the outputs for nothing, and the answers besides. */
function productsRow(draws: Pieces['draws'], of: (name: string) => Spread): string[] {
  const { macs, tickets } = draws.get('inference')!
  const time = of(PRODUCTS_ALONE)
  const speed = ticketRate(macs, tickets, time.median)
  const random = draws.get('random')!
  const best = ticketRate(random.macs, random.tickets, of('draw/random').median)
  return ['inference, noised products alone', micro(time), figure(speed), '', figure(speed / best)]
}

function machineText({ machine, othersBusy }: Measured): string {
  const busy = othersBusy === undefined ? '' : `, of which other processes kept ${othersBusy.toFixed(2)} busy`
  return `${machine.cpu}, ${machine.cores} cores${busy}, Node ${process.versions.node}.`
}
