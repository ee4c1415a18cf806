/** `docs/results/usefulness.md`: the tables. */
import { diffParams, presets } from '@nacre/protocol'
import type { BindingResults } from './bindings.ts'
import { CASES } from './cases.ts'
import type { Figures } from './figures.ts'
import { type Pooled, type PooledMiner, pooled, poolOf } from './pooled.ts'
import type { Results } from './results.ts'
import { ASK, BID, FULL, UNITS_PER_BLOCK } from './size.ts'

type Cell = string | number
const line = (cells: readonly Cell[]): string => `| ${cells.join(' | ')} |`
const table = (head: readonly string[], rows: readonly (readonly Cell[])[]): string[] => [
  line(head),
  line(head.map((_, i) => (i === 0 ? '---' : '--:'))),
  ...rows.map(line),
]
const figure = (value: number): string => value.toLocaleString('en-US', { maximumSignificantDigits: 3 })
const coins = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 0 })
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`

const WHO: Readonly<Record<PooledMiner['name'], string>> = {
  honest: 'honest inference',
  random: 'random matrices',
  'first-layer': 'first layer only',
  'self-dealing': 'self-dealing',
}

const refusalsOf = ({ refusals, barred }: PooledMiner): string =>
  [...refusals.map(([code, count]) => `\`${code}\` ${count}`), ...(barred === 0 ? [] : ['barred for fraud'])].join(', ')

const minerRow = (title: string, pool: Pooled, miner: PooledMiner): Cell[] => [
  ...[title, WHO[miner.name], percent(miner.drawnShare)],
  `${miner.blocks} of ${pool.blocks} (${percent(miner.lowShare)} to ${percent(miner.highShare)})`,
  ...[percent(miner.rewardShare), coins(miner.maturedCoins), coins(miner.immatureCoins), coins(miner.forfeitedCoins)],
  ...[coins(miner.clientFeeCoins), miner.sent, refusalsOf(miner)],
]

const MINER_HEAD = [
  ...['network', 'miner', 'share of all draws', 'blocks (95 %)', 'share of reward', 'matured, NCR', 'immature, NCR'],
  ...['forfeited, NCR', 'clients’ fees, NCR', 'refused blocks it sent', 'with'],
]

const minerTable = (pools: readonly Pooled[]): string[] =>
  table(
    MINER_HEAD,
    pools.flatMap((pool) => pool.miners.map((miner, i) => minerRow(i === 0 ? nameOf(pool) : '', pool, miner))),
  )

const nameOf = ({ name, off, seeds }: Pooled): string => {
  const shown = off.length === 0 ? `**${name}**` : name
  return seeds.length === 1 ? shown : `${shown}, ${seeds.length} seeds`
}

const usefulTable = (pools: readonly Pooled[]): string[] =>
  table(
    [
      ...['network', 'jobs settled', 'answered truly', 'tokens', 'processor time for clients', 'for inference at all'],
      ...['blocks over clients’ prompts', 'over whole inference', '`usefulShare` of the chain'],
      ...['a client pays per token, NCR', 'new coins per token', 'given up per token, NCR'],
    ],
    pools.map((pool) => [
      ...[nameOf(pool), `${pool.jobs.settled} of ${pool.jobs.posted}`, pool.jobs.right, pool.jobs.tokens],
      ...[percent(pool.usefulTime), percent(pool.inferenceTime), percent(pool.usefulBlocks)],
      ...[percent(pool.inferenceBlocks), percent(pool.chainUsefulShare)],
      ...[figure(pool.feePerToken), coins(pool.mintedPerToken), figure(pool.forgonePerToken)],
    ]),
  )

const dealingTable = (pools: readonly Pooled[]): string[] =>
  table(
    [
      'network',
      'fake jobs settled',
      'charged, NCR',
      'back as its miner, NCR',
      'premiums, NCR',
      'net, NCR',
      'of what it paid',
    ],
    pools
      .filter(({ ownJobs }) => ownJobs.posted > 0)
      .map((pool) => {
        const { ownFeeCoins, premiumCoins } = pool.miners.find(({ name }) => name === 'self-dealing')!
        const { posted, settled, chargedCoins } = pool.ownJobs
        const net = ownFeeCoins + premiumCoins - chargedCoins
        return [
          ...[nameOf(pool), `${settled} of ${posted}`, coins(chargedCoins), coins(ownFeeCoins), coins(premiumCoins)],
          ...[coins(net), percent(net / chargedCoins)],
        ]
      }),
  )

function bindingTables({ rows, costs, kernels, rounds, machine, date }: BindingResults): string[] {
  const honest = costs[0]!
  return [
    '## Each binding off alone',
    '',
    `Measured by \`npm run demo:usefulness -- --bindings\` on ${date}: ${machine}, ${kernels} kernels, ${rounds} rounds in turns, processor time of one thread. First, the`,
    'cheats of `packages/protocol/test/bindings` on the preset `unit`: real blocks, judged by everything that a node checks.',
    '',
    ...table(
      ['binding', 'cheat', 'where it holds', 'where it is off'],
      rows.map(({ binding, does, refusedOn, refusedOff, off }) => [
        ...[binding, does, refusedOn === undefined ? 'valid' : `\`${refusedOn}\``],
        `${refusedOff === undefined ? 'valid' : `\`${refusedOff}\``} (${off.map((each) => `\`${each}\``).join(', ')})`,
      ]),
    ),
    '',
    'Then what such a draw costs on nacre-small: processor time for draws that stand for as many products as a bootstrap unit’s, and the products that are really multiplied for them.',
    'Where the binding holds the gain is nothing, since no such block is valid.',
    '',
    ...table(
      [
        'off',
        'what the miner does',
        'time, ms (least to most)',
        'products, a unit = 1',
        'draws for the same time, honest = 1',
      ],
      costs.map((cost) => [
        ...[cost.off.join(', ') || '-', cost.name],
        `${cost.ms.toFixed(2)} (${cost.lowMs.toFixed(2)} to ${cost.highMs.toFixed(2)})`,
        ...[cost.products.toFixed(2), cost === honest ? '1' : figure(cost.gain)],
      ]),
    ),
    '',
  ]
}

/** The largest difference between the processor times of two miners of one network, in parts of the larger. */
function unequal(pools: readonly Pooled[]): number {
  const parts = pools.map(({ miners }) => {
    const times = miners.map(({ spentMs }) => spentMs)
    return 1 - Math.min(...times) / Math.max(...times)
  })
  return Math.max(...parts)
}

const CHANGED = ['network.', 'models.'] as const
/** How `pearl-devnet` and `devnet` differ, by groups of parameters. */
function differences(): string {
  const all = diffParams(presets.devnet, presets['pearl-devnet'])
  const told = all.filter(({ path }) => !CHANGED.some((group) => path.startsWith(group)))
  return told.map(({ path, a, b }) => `\`${path}\` ${a} against ${b}`).join('; ')
}

export function markdown({ costs, runs, bindings }: Results): string {
  const pools = pooled(runs)
  const seeds = [...new Set(pools.flatMap((pool) => pool.seeds))]
  const missing = CASES.map(({ name }) => name).filter((name) => pools.every((pool) => pool.name !== name))
  const { ms } = costs
  return [
    '# Usefulness: who earns what under Pearl’s rules and under Nacre’s',
    '',
    'Two devnets of the same size and demand, one on the rules of the [baseline](../spec/12-pearl.md), one on Nacre’s, each with an honest inference miner and three that would rather not: one multiplies random',
    'matrices, one computes the first layer alone, one pays itself. Then Nacre’s with one rule less at a time. Measured by `npm run demo:usefulness`, seeds',
    `${seeds.map((seed) => `\`${seed}\``).join(', ')}. All figures, seeds, chain ids and keys are in [usefulness.json](usefulness.json); of a network with several seeds the tables have all blocks together.`,
    '',
    '![share of reward and use of processor time](usefulness.svg)',
    '',
    '## How it is measured',
    '',
    '- Each network is five full nodes in one process, a verifier and four miners, with links in memory and a virtual clock. Blocks, proofs, re-execution, jobs, receipts and',
    '  audits are those of `nacre node`; a seed gives the same chain again, however busy the machine is.',
    `- **Equal speed** is equal processor time. Every piece of work is charged what it took one thread of the engine (${costs.kernels} kernels, ${costs.machine}, medians of ${costs.rounds} rounds in turns,`,
    `  ${costs.date}; \`costs.json\`, measured again by \`--measure\`): a bootstrap unit with its draws ${ms.unit} ms, a draw over rows that are there ${ms['draw over kept rows']} ms, the first product alone ${ms['draw from the first product']} ms; under Pearl’s rules`,
    `  a draw of random matrices ${ms['pearl: random']} ms, of inference of six prompts ${ms['pearl: inference']} ms, of their first layer ${ms['pearl: first layer']} ms. Each miner has the time of ${UNITS_PER_BLOCK} bootstrap units per block time.`,
    `  What they were charged for in the end differed by ${percent(unequal(pools))} at most within a network: a block that is won interrupts a rest.`,
    '  That the first layer is cheap is that miner’s whole advantage, so speed is not equal draws. A faster implementation of one kind would shift the shares.',
    `- **Demand**: ${FULL.jobsPerBlock} jobs per block, held-out questions in prompts of 64 tokens, bids of ${coins(Number(BID) / 1e8)} NCR per 10^9 output MACs. The honest miner and the self-dealer ask ${coins(Number(ASK) / 1e8)}, deliver and are paid; the other two do not ask.`,
    `- Parameters are the presets \`devnet\` and \`pearl-devnet\`, with a first target that suits the draws. They differ in ${differences()}.`,
    '- **honest** runs its jobs and, in between, prompts that the chain assigns (Nacre) or prompts of its own (Pearl, six at a time; clients’ prompts take their places first, and it draws over them as over the others).',
    '- **random** multiplies random matrices. Under Nacre’s rules it claims that they are the rows of its unit’s trace; where B1 is off it executes one prompt of its own once and draws over its rows for every unit.',
    '- **first layer** draws over the first product of each prompt. Under Nacre’s rules it executes the rest after a win, but the root under which it drew is then not that of the trace.',
    '- **self-dealing** mines and delivers as the honest one does, and is a client of its own: fake jobs with one prompt, whose answer it keeps. Under Pearl’s rules it need not post them: it draws over its own prompts’ activations, executed once, again and again.',
    '- In the two networks named *garbage for jobs* the two that execute nothing register, ask and deliver as well: answers of zeros, with traces of random rows or of the embeddings alone. *Answered truly* is what the model really answers.',
    '- What their own nodes refuse, cheats send to everybody through peers made for one message, so that bans cost them nothing; counted is what the honest miner’s node answered.',
    `- Counted are the blocks after ${FULL.warmUpBlocks} with demand, and jobs of the next ${FULL.blocks}; at the end every job has ended. Rewards are the miner’s part of subsidies with premiums; fees stand apart. Mature are those that could be spent.`,
    '',
    ...(missing.length === 0 ? [] : [`Not run: ${missing.join('; ')}.`, '']),
    '## Who earns',
    '',
    '*Share of all draws* is what each would earn on average if every draw counted.',
    '',
    ...minerTable(pools),
    '',
    '## What it is good for',
    '',
    '*New coins per token* are the subsidies of the blocks in which the jobs were posted, over the tokens of their answers. *Given up per token* is what the processor time of a token would earn on average with the best paid draws of that network:',
    'below that price a miner earns more by not answering.',
    '',
    ...usefulTable(pools),
    '',
    '## Paying oneself',
    '',
    'Premiums are what its paid blocks had beyond the base; transaction fees are left out. Under Pearl’s rules nobody need pay to draw over prompts of one’s own.',
    '',
    ...dealingTable(pools),
    '',
    ...(bindings === undefined ? [] : bindingTables(bindings)),
  ].join('\n')
}

/** One run, for the terminal. */
export function printed(run: Figures): string {
  const pool = poolOf(run.name, [run])
  const miners = pool.miners.map(
    (miner) =>
      `  ${WHO[miner.name].padEnd(18)} ${percent(miner.rewardShare).padStart(6)} of the reward, ${percent(miner.drawnShare).padStart(6)} of the draws, ${String(miner.blocks).padStart(3)} blocks; matured ${coins(miner.maturedCoins)}, immature ${coins(miner.immatureCoins)}, forfeited ${coins(miner.forfeitedCoins)} NCR${miner.sent === 0 ? '' : `; ${miner.sent} refused: ${refusalsOf(miner)}`}`,
  )
  const useful = `  useful: ${percent(pool.usefulTime)} of processor time, ${percent(pool.usefulBlocks)} of blocks; ${figure(pool.feePerToken)} NCR per token of ${pool.jobs.tokens}`
  return [`${run.name} (seed ${run.seed}, heights ${run.fromHeight} to ${run.height})`, ...miners, useful].join('\n')
}
