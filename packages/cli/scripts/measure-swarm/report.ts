/** `docs/results/swarm.md`: tables of what was measured, and what they mean. */
import { GRAINS_PER_NCR } from '@nacre/protocol'
import { type AccuracyRow, COUNTS } from './accuracy.ts'
import type { NetworkRow } from './network.ts'
import type { Interval } from './statistics.ts'

export interface Results {
  /** Day of the measurement, ISO. */
  readonly date: string
  readonly model: string
  readonly modelId: string
  readonly accuracy: readonly AccuracyRow[]
  readonly network: {
    readonly temperature: number
    readonly asks: readonly string[]
    readonly rows: readonly NetworkRow[]
  }
}

const percent = (value: number): string => (100 * value).toFixed(1)
const withRange = ({ value, low, high }: Interval): string => `${percent(value)} (${percent(low)} to ${percent(high)})`
const signed = (value: number): string => `${value < 0 ? '-' : '+'}${percent(Math.abs(value))}`
const change = ({ value, low, high }: Interval): string => `${signed(value)} (${signed(low)} to ${signed(high)})`
const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
const head = (cells: readonly string[]): string[] => [row(cells), row(cells.map(() => '---'))]

const GROUPS: readonly string[] = ['all tasks', 'products', 'all but products']

export function markdown({ date, model, modelId, accuracy, network }: Results): string {
  const temperatures = [...new Set(accuracy.map(({ temperature }) => temperature))]
  const groups = accuracy.filter(({ task }) => GROUPS.includes(task))
  const tasks = accuracy.filter(({ task }) => !GROUPS.includes(task))
  return `${[
    '# Swarm inference: n answers instead of one',
    '',
    `\`${model}\` (model id \`${modelId.slice(0, 16)}…\`) on its ${groups[0]?.questions ?? 0} held-out questions ([models](../../models/README.md)), measured`,
    `${date} by \`npm run measure:swarm\`; all figures are in [swarm.json](swarm.json).`,
    '',
    '## Reading the tables',
    '',
    '- An answer is right if its text is exactly the expected one. `n` jobs with `n` seeds answer a question; **majority** takes the text that most',
    '  gave, **score** the answer with the highest mean log-probability under the model. **any** is right if one of the n is: the most that any',
    '  rule could reach. These are `nacre: { select: "majority" }` and `"best"` of the gateway.',
    '- 9 answers are sampled for each question and temperature. The figure for n is the mean over all subsets of n of them, so n = 1 is the mean',
    '  of all 9 and nothing is picked. Greedy is temperature 0.',
    '- Ranges are 95 %: Wilson intervals over questions, and for gains, differences within the same questions. The questions are the population',
    '  sampled; the model is one fixed file.',
    '- Accuracy is computed by the engine, without a network: a trace follows from model, prompt and seed bit by bit (MOD-6), so n miners and n',
    '  seeds on one miner give the same n answers. The last table checks that on a real network.',
    '',
    '## Accuracy in percent',
    '',
    ...head(['temperature', 'questions', 'rule', ...COUNTS.map((n) => `n = ${n}`), 'greedy']),
    ...groups.flatMap((each) =>
      (['majority', 'score', 'any'] as const).map((rule) =>
        row([
          ...[each.temperature, `${each.task} (${each.questions})`, rule],
          ...each.byRule[rule].map(withRange),
          withRange(each.greedy),
        ]),
      ),
    ),
    '',
    `Gains of n = ${COUNTS.at(-1)}, in percentage points:`,
    '',
    ...head(['temperature', 'questions', 'rule', 'over one sample', 'over greedy']),
    ...groups.flatMap((each) =>
      (['majority', 'score'] as const).map((rule) =>
        row([
          ...[each.temperature, each.task, rule],
          ...[change(each.gain[rule].overOne), change(each.gain[rule].overGreedy)],
        ]),
      ),
    ),
    '',
    `By task, n = 1 and n = ${COUNTS.at(-1)}:`,
    '',
    ...head([
      'task',
      'greedy',
      ...temperatures.flatMap((t) => [`T ${t}: one`, `T ${t}: majority`, `T ${t}: score`, `T ${t}: any`]),
    ]),
    ...[...new Set(tasks.map(({ task }) => task))].map((task) => {
      const own = tasks.filter((each) => each.task === task)
      return row([
        task,
        percent(own[0]!.greedy.value),
        ...own.flatMap(({ byRule }) =>
          [byRule.majority[0]!, byRule.majority.at(-1)!, byRule.score.at(-1)!, byRule.any.at(-1)!].map(({ value }) =>
            percent(value),
          ),
        ),
      ])
    }),
    '',
    '## On a network of processes',
    '',
    `Requests through the gateway on the preset \`devnet\` (blocks of 5 s), one after another, at temperature ${network.temperature}, unverified. ${network.asks.length} miners ask`,
    `${network.asks.join(', ')} grains per GMAC; once the gateway's highest price reaches only the cheapest, who then gets every job, once all of them. All processes share one machine, so seconds per block are given beside the latency.`,
    '',
    ...head([
      ...[
        'miners in reach',
        'n',
        'requests',
        'jobs answered',
        'seconds (least, most)',
        'seconds per block',
        'distinct miners',
        'price, grains per GMAC',
      ],
      ...['fees of a request, NCR', 'same text as the engine'],
    ]),
    ...network.rows.map((each) =>
      row([
        ...[each.miners, each.n, each.requests, `${each.answered} of ${each.requests * each.n}`],
        `${each.latencySeconds.mean.toFixed(1)} (${each.latencySeconds.least.toFixed(1)}, ${each.latencySeconds.most.toFixed(1)})`,
        each.secondsPerBlock.toFixed(1),
        each.meanDistinctMiners.toFixed(1),
        Math.round(each.meanPriceGrains),
        (each.meanFeeGrains / Number(GRAINS_PER_NCR)).toFixed(6),
        `${each.same} of ${each.compared}`,
      ]),
    ),
    '',
  ].join('\n')}`
}
