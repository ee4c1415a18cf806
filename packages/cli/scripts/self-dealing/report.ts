/** `docs/results/self-dealing.md`: the tables. */
import { CASES } from './cases.ts'
import { COMMON } from './params.ts'
import type { Row, Share } from './rows.ts'

/** One case as it went. */
export interface PlayedCase {
  readonly name: string
  readonly seed: string
  /** ISO. */
  readonly date: string
  readonly seconds: number
  readonly machine: string
  /** Where they differ from the preset. */
  readonly parameters: readonly string[]
  readonly chainId: string
  readonly height: number
  readonly tip: string
  readonly minerKeys: readonly string[]
  readonly rows: readonly Row[]
}

export interface Results {
  readonly virtual: readonly PlayedCase[]
  readonly live: readonly PlayedCase[]
}

const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] => [
  line(head),
  line(head.map(() => '---')),
  ...rows.map(line),
]
const parts = (value: number | undefined): string => {
  if (value === undefined) return '-'
  return `${value < 0 ? '-' : '+'}${Math.abs(value) < 100 ? Math.abs(value).toFixed(3) : Math.abs(value).toExponential(2)}`
}
const range = ({ net, netLow, netHigh }: Row): string =>
  netLow === undefined ? parts(net) : `${parts(net)} (${parts(netLow)} to ${parts(netHigh)})`
const counted = (share: Share | undefined): string =>
  share === undefined
    ? '-'
    : `${share.part} of ${share.whole}, ${share.share.toFixed(2)} (${share.lowShare.toFixed(2)} to ${share.highShare.toFixed(2)})`
/** In parts of all fees. */
const ofFees = (row: Row, grains: string): string =>
  row.feeGrains === '0' ? '-' : (Number(grains) / Number(row.feeGrains)).toFixed(3)

const NET_HEAD = [
  'burned',
  'verifiers',
  'own miner',
  'others',
  'returned',
  'premiums',
  'net (95 %)',
  'bound',
  'bound at a = 1',
]
const netCells = (row: Row): string[] => [
  ...[row.burnedGrains, row.verifierGrains, row.ownGrains, row.othersGrains, row.returnedGrains].map((grains) =>
    ofFees(row, grains),
  ),
  `${ofFees(row, row.premiumGrains)} (${row.premiumBlocks})`,
  range(row),
  parts(row.bound),
  parts(row.boundAtOne),
]

const shareTable = (rows: readonly Row[]): string[] =>
  table(
    ['provenance', 'burn', 'share of miners', 'share of weight', 'lapsed', 'delivered itself (95 %)', ...NET_HEAD],
    rows.map((row) => [
      ...[row.provenance, row.burnPpm / 1e6, `${row.owned} of ${row.miners}`, row.weight?.mean.toFixed(2) ?? '-'],
      ...[`${row.lapsed} of ${row.jobs}`, counted(row.delivered), ...netCells(row)],
    ]),
  )

const trickTable = (rows: readonly Row[]): string[] =>
  table(
    [
      'case',
      'what it does',
      'owns',
      'weight, first to last',
      'lapsed',
      'delivered itself (95 %)',
      ...NET_HEAD,
      'net, grains a job',
      'fee, grains a job',
    ],
    rows.map((row) => [
      ...[row.name, row.trick ?? '', `${row.owned} of ${row.miners}`],
      row.weight === undefined ? '-' : `${row.weight.first.toFixed(2)} to ${row.weight.last.toFixed(2)}`,
      ...[`${row.lapsed} of ${row.jobs}`, counted(row.delivered), ...netCells(row)],
      ...[row.netGrains, row.feeGrains].map((grains) => (Number(grains) / row.jobs).toFixed(0)),
    ]),
  )

const rewardTable = (rows: readonly Row[]): string[] =>
  table(
    ['case', 'owns', 'blocks (95 %)', 'share of reward', 'fees paid'],
    rows.map((row) => [
      ...[
        row.name,
        `${row.owned} of ${row.miners}`,
        counted(row.blocks),
        row.rewardShare.toFixed(2),
        row.chargedGrains,
      ],
    ]),
  )

/** What was played on one kind of stage, under headings of this level. */
function tablesOf(level: string, played: readonly PlayedCase[]): string[] {
  const rows = played.flatMap((each) => each.rows)
  const plain = rows.filter(({ trick }) => trick === undefined)
  const tricks = rows.filter(({ trick, jobs }) => trick !== undefined && jobs > 0)
  const jobless = rows.filter(({ jobs }) => jobs === 0)
  const missing = CASES.map(({ name }) => name).filter((name) => played.every((each) => each.name !== name))
  return [
    ...(missing.length === 0 ? [] : [`Not run: ${missing.join('; ')}. \`--only\` runs single cases.`, '']),
    `${level} Fake jobs, delivered as everybody's`,
    '',
    ...shareTable(plain),
    '',
    `${level} Tricks, and the mint cap switched off`,
    '',
    'Burn 0.2 in each.',
    '',
    ...trickTable(tricks),
    '',
    ...(jobless.length === 0 ? [] : [`${level} Without any job`, '', ...rewardTable(jobless), '']),
  ]
}

export function markdown({ virtual, live }: Results): string {
  const first = virtual[0] ?? live[0]!
  return [
    '# Self-dealing: what a miner earns that posts fake jobs to itself',
    '',
    'One operator mines and is a client too: it pays for jobs that nobody needs, hoping to earn them itself. Measured by `npm run self-dealing`, on',
    `${first.machine}; all figures, seeds, chain ids and keys are in [self-dealing.json](self-dealing.json).`,
    '',
    '## How it is measured',
    '',
    '- Each case is a network of its own: full nodes with real miners that run the model of the preset `unit`, a verifier, an RPC. Nodes are in one process, with',
    '  links in memory and a virtual clock, so a seed gives the same chain again. With `--live` they are processes of `nacre node` over libp2p and the wall clock.',
    `- Parameters are those of \`unit\` but for ${COMMON.map((each) => `\`${each}\``).join(', ')}, and`,
    "  `jobs.paidDrawPpm=1000000`, so that paid blocks are frequent enough to be counted: a unit's expected premium does not depend on it.",
    '  Under `open` it is 0 and all bindings are off, as in the preset `pearl`: paid work draws nothing there, and all miners multiply random matrices.',
    "- All miners are equally fast. The chain cannot tell who holds a key, so a run is read for one miner as the operator's, and for all of them.",
    '- Figures are parts of the fee that the jobs have where they are delivered. They come from the chain alone: parts of fees from `/jobs/:id`, premiums from what each',
    "  block changed in the deferred pot. The script stops unless, to the grain, each fee is the sum of its parts, the client's balance fell by the fees and its transactions' own,",
    "  `supply/burned` and the verifier pool grew by the jobs' parts, and all premiums stay within the prompts' burns times kappa.",
    '- **net** = own miner + premiums - what was charged. Its interval is that of the number of jobs that it delivered (Wilson); premiums, with the number of their blocks, stand as they fell.',
    "  **bound** is ECO-5's, a (1 - beta)(1 - nu) - 1 and kappa times the prompts' burn, with its share of the weight as a, or 1 where it alone can be drawn; it holds on average. Transaction fees are in neither.",
    '',
    ...tablesOf('##', virtual),
    ...(live.length === 0 ? [] : ['## Processes, libp2p and the wall clock', '', ...tablesOf('###', live)]),
  ].join('\n')
}
