/** docs/results/audits.md and its plots, from the document of a run. */
import { bars } from '../report/bars.ts'
import { curves } from '../report/curves.ts'
import { figure, table, withQuartiles } from '../report/format.ts'
import type { CheaterRow, Until } from './cheaters.ts'
import { CHECKS, INFERENCE, REFERENCE, SIDES } from './cost.ts'
import { deterrenceText } from './report-deterrence.ts'
import type { AuditResult } from './result.ts'
import type { ChiSquare, Share } from './statistics.ts'

export const percent = (value: number): string =>
  value > 0.9999 && value < 1 ? '> 99.99 %' : `${Number((100 * value).toPrecision(value > 0.99 ? 4 : 3))} %`
export const share = ({ value, low, high }: Share): string => `${percent(value)} (${percent(low)} to ${percent(high)})`

/** Files by name. */
export function files(result: AuditResult): Map<string, string> {
  return new Map([
    ['audits.md', markdown(result)],
    ['audits.json', `${JSON.stringify(result, undefined, 1)}\n`],
    ['audits-cost.svg', costPlot(result)],
    ['audits-detection.svg', detectionPlot(result)],
    ['audits-campaigns.svg', campaignPlot(result)],
  ])
}

export function markdown(result: AuditResult): string {
  return `${[
    '# Audits',
    head(result),
    '## What checks cost',
    ...costText(result),
    '## What one audit finds',
    ...detectionText(result),
    '## Over many units, at the rates of AUD-2',
    ...campaignText(result),
    '## Honest miners',
    honestText(result),
    '## Miners that save work',
    ...cheaterText(result),
    '## Selection',
    ...selectionText(result),
    '## Deterrence',
    ...deterrenceText(result),
  ].join('\n\n')}\n`
}

function head({ date, quick, seconds, machine, othersBusy, model, preset, kernels }: AuditResult): string {
  const busy =
    othersBusy === undefined ? '' : ` Other processes kept ${othersBusy.toFixed(2)} of its cores busy meanwhile.`
  return `Written by \`npm run measure:audits\`${quick ? ' -- --quick' : ''} on ${date.slice(0, 10)} in ${Math.round(seconds)} s; all figures are in [\`audits.json\`](audits.json). Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.os}, Node ${machine.node}.${busy} The model is \`${model}\` (${kernels} kernels), rules and rates are those of the preset \`${preset}\` ([chapter 11](../spec/11-audits.md)). Everything but the times follows from seeds, which are SHA-256 of a name and counters (\`bench/src/audits/seeds.ts\`): another run gives the same figures. Intervals are Wilson's, 95 %.`
}

function costText({ cost, steps }: AuditResult): string[] {
  const row = (label: string) => cost.rows.find((each) => each.label === label)!
  const shown = [INFERENCE, REFERENCE, ...Object.values(CHECKS), ...Object.values(SIDES)]
  const kib = (bytes: number): string => figure(bytes / 1024)
  const [sampled, replay, freivalds] = [CHECKS.sampled, CHECKS.replay, CHECKS.freivalds].map(row)
  const cheaper = replay!.ms.median < sampled!.ms.median
  return [
    `A unit of ${cost.promptTokens} + ${cost.newTokens} tokens, without the lottery. Processor time of one thread, all kinds in turns, ${cost.rounds} rounds; medians with quartiles in brackets, ratios those within each round. The miner's engine is WebAssembly, the reference is plain TypeScript; step checks and Freivalds run in plain TypeScript.`,
    '![What checks cost](audits-cost.svg)',
    table(
      ['', 'ms', 'over inference by the engine', 'over inference by the reference'],
      shown.map((label) => {
        const { ms, overEngine, overReference } = row(label)
        return [label, withQuartiles(ms), withQuartiles(overEngine), withQuartiles(overReference)]
      }),
      [1, 2, 3],
    ),
    `The openings of one audit are ${kib(cost.openingsBytes)} KiB, the whole trace ${kib(cost.traceBytes)} KiB, the hints for Freivalds ${kib(cost.hintsBytes)} KiB.`,
    cheaper
      ? `On this model re-executing the whole unit with the engine takes less time than checking ${steps + 2} opened steps, needs no openings, and finds every forged byte. What an audit by steps is for: its cost does not grow with the answer but for \`attend\`, its checks are what every node can run for a fraud proof, and its verdict shows that somebody looked.`
      : `Checking ${steps + 2} opened steps takes less time than re-executing the whole unit with the engine.`,
    freivalds!.ms.median < row(CHECKS.referenceReplay).ms.median
      ? `Freivalds saves the products: ${figure(row(CHECKS.referenceReplay).ms.median / freivalds!.ms.median)} times as fast as a replay in the same language. What is left is hashing, attention, norms and quantisation. It pays where multiplying is dear next to that: larger models, or no fast kernels.`
      : 'Freivalds saves the products, and here they are not what takes the time.',
  ]
}

function costPlot({ cost }: AuditResult): string {
  const bar = (label: string, colour: 0 | 1 | 2) => {
    const { ms } = cost.rows.find((each) => each.label === label)!
    return { label, value: ms.median, from: ms.q1, to: ms.q3, colour }
  }
  return bars(
    'What checks cost',
    [
      { title: 'inference', bars: [bar(INFERENCE, 0), bar(REFERENCE, 2)] },
      {
        title: 'checks',
        bars: Object.values(CHECKS).map((label) => bar(label, label === CHECKS.referenceReplay ? 2 : 0)),
      },
      { title: 'beside them', bars: Object.values(SIDES).map((label) => bar(label, 1)) },
    ],
    { unit: 'milliseconds, logarithmic', log: true },
  )
}

function detectionText({ detection, forgedUnits, audits, steps }: AuditResult): string[] {
  return [
    `In ${forgedUnits === 1 ? 'one unit' : `${forgedUnits} units`} for each row every step but the embeddings, which every audit checks whole, is forged with the same chance, by the least change that its leaf allows (one bit of a row, one of an int8, the next token); the forger goes on from what it forged, so exactly these steps are wrong, which is checked for each of the unit's steps, through encoded openings. Then ${audits.toLocaleString('en-US')} audits of each, with seeds of their own, draw ${steps} steps. Theory, for each unit, is 1 - (1 - m)^${Math.ceil(steps / 2)} (1 - r)^${Math.floor(steps / 2)} with the shares m of the multiplications and r of the reach ([chapter 7](../spec/07-traces-and-steps.md#sampling-aud-1)).`,
    '![Detection against the share of forged steps](audits-detection.svg)',
    table(
      ['steps forged', 'of the multiplications', 'of the reach', 'theory', 'found'],
      detection.map(({ stepShare, shares, theory, found }) => [
        percent(stepShare),
        percent(shares.macs),
        percent(shares.reach),
        percent(theory),
        share(found),
      ]),
      [0, 1, 2, 3, 4],
    ),
  ]
}

function detectionPlot({ detection, steps }: AuditResult): string {
  const at = (i: number): number => 10 ** (-3.5 + (3.5 * i) / 60)
  return curves(
    'Detection by one audit against the share of forged steps',
    [
      {
        label: `one audit of ${steps} draws: measured`,
        points: detection.map(({ stepShare, found: { value, low, high } }) => ({ x: stepShare, y: value, low, high })),
      },
      {
        label: 'theory for these units',
        line: detection.map(({ stepShare, theory }) => ({ x: stepShare, y: theory })),
      },
      {
        label: 'theory for shares that are all the same',
        line: Array.from({ length: 61 }, (_, i) => ({ x: at(i), y: 1 - (1 - at(i)) ** steps })),
      },
    ],
    { xTitle: 'share of the steps that are forged', yTitle: 'chance to be found', yMax: 1, logX: true },
  )
}

function campaignText({ campaigns, campaignMiners, verifiers }: AuditResult): string[] {
  const columns = campaigns[0]!.points.map(({ units }) => `${units}`)
  return [
    `A miner with a clean record and ${campaigns[0]!.atStake} honest units at stake begins to forge a part of the steps of each unit, as above. Rates are those of the ledger (\`auditRatePpm\`), selection is that of ${verifiers} verifiers (\`isAudited\`). Caught within so many units, by theory and of ${campaignMiners} miners:`,
    '![Caught within a number of units](audits-campaigns.svg)',
    table(
      ['steps forged', '', ...columns],
      campaigns.flatMap(({ stepShare, points }) => [
        [percent(stepShare), 'theory', ...points.map(({ theory }) => percent(theory))],
        ['', 'found', ...points.map(({ found }) => share(found))],
      ]),
      columns.map((_, i) => i + 2),
    ),
  ]
}

function campaignPlot({ campaigns }: AuditResult): string {
  return curves(
    'Caught within a number of units',
    campaigns.map(({ stepShare, points }) => ({
      label: `${percent(stepShare)} of the steps of each unit forged: theory, and measured`,
      line: points.map(({ units, theory }) => ({ x: units, y: theory })),
      points: points.map(({ units, found: { value, low, high } }) => ({ x: units, y: value, low, high })),
    })),
    { xTitle: 'units delivered since it began', yTitle: 'chance to be caught', yMax: 1, logX: true },
  )
}

function honestText({ honest }: AuditResult): string {
  const kinds = Object.entries(honest.byKind).map(([kind, count]) => `${count.toLocaleString('en-US')} \`${kind}\``)
  return `${honest.drawn.toLocaleString('en-US')} drawn steps of ${honest.units} random jobs, executed by the engine: prompts of ${honest.promptTokens.join(' to ')} random tokens, answers of ${honest.newTokens.join(' to ')}, ${honest.sampled} of them at temperatures above 0, ${honest.stopped} ended by end of sequence. Each opening was encoded (${figure(honest.maxOpeningBytes / 1024)} KiB at most), decoded and run by the reference. By kind, those that every audit opens included: ${kinds.join(', ')}. **False alarms: ${honest.alarms}.**`
}

function cheaterText({ cheaters, verifiers, steps: draws }: AuditResult): string[] {
  const until = ({ quantile, within, observedQuantile, observedMax, miners }: Until): string[] => [
    `${quantile}`,
    `${percent(within.value)} of ${miners}`,
    `${observedQuantile}, ${observedMax}`,
  ]
  const stages = cheaters[0]!.units.map(({ stage }) => stage)
  const counts = (title: string, of: (row: CheaterRow) => Until): string[] => [
    title,
    table(
      ['the miner', '99 % quantile by theory', 'caught within it', 'observed: 99 % quantile, most'],
      cheaters.map((row) => [row.name, ...until(of(row))]),
      [1, 2, 3],
    ),
  ]
  return [
    'Each commits to a well-formed trace of the same job. Which of its steps are wrong is found by running all of them; what is not computed need not be wrong.',
    table(
      [
        'the miner',
        'wrong steps',
        'of the multiplications',
        'of the reach',
        'one audit finds it',
        'draws by multiplications alone',
      ],
      cheaters.map(({ name, wrongSteps, steps, shares, chance }) => [
        name,
        `${wrongSteps} of ${steps}`,
        percent(shares.macs),
        percent(shares.reach),
        percent(chance),
        percent(1 - (1 - shares.macs) ** draws),
      ]),
      [1, 2, 3, 4, 5],
    ),
    `The last column is what ${draws} draws by multiplications alone would find, without the check of all embeddings in \`shape\`: next to nothing of miners that compute nothing and open a trace that they have, whose wrong steps are few or cheap ([chapter 7](../spec/07-traces-and-steps.md#sampling-aud-1)). If two prompts differ in one token, a few wrong steps are all that there is, and only the client's complete check finds them for sure.`,
    'The 99 % quantile is the least number within which theory catches 99 % of such miners. Seeds are 0 to one less than the number of miners; each stands for secrets and draws of its own. Of 1,000 miners 990 are expected within it, with a deviation of 3.',
    ...counts('Audits until it is caught:', ({ audits }) => audits),
    ...stages.flatMap((stage, i) =>
      counts(
        `Units until it is caught, ${verifiers} verifiers at the rates of AUD-2, ${stage}:`,
        ({ units }) => units[i]!,
      ),
    ),
  ]
}

function selectionText({ unitSelection, stepSelection }: AuditResult): string[] {
  const test = ({ statistic, degrees, p }: ChiSquare): string =>
    `${figure(statistic)} / ${degrees}, p = ${p.toFixed(3)}`
  return [
    'Chi-square over degrees of freedom, and the chance of one at least as large if nothing is preferred. Units: how often each unit is chosen by the secrets, how many units each secret chooses, and how often both of two secrets choose the same.',
    table(
      ['rate', 'secrets × units', 'chosen', 'by unit', 'by secret', 'two at once'],
      unitSelection.map(({ ratePpm, secrets, units, selected, perUnit, perSecret, together }) => [
        percent(ratePpm / 1e6),
        `${secrets} × ${units}`,
        `${selected.toLocaleString('en-US')}, expected ${Math.round((secrets * units * ratePpm) / 1e6).toLocaleString('en-US')}`,
        test(perUnit),
        test(perSecret),
        test(together),
      ]),
      [0, 1],
    ),
    'Steps: each step against its weight (those with fewer than five expected draws together), and kinds of steps by which draw of the audit it is.',
    table(
      ['draws by', 'draws', 'steps', 'by step', 'by draw'],
      stepSelection.map(({ weighing, draws, steps, perStep, perDraw }) => [
        weighing === 'macs' ? 'multiplications' : 'reach',
        draws.toLocaleString('en-US'),
        `${steps}`,
        test(perStep),
        test(perDraw),
      ]),
      [1, 2],
    ),
  ]
}
