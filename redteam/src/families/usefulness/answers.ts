/** Receipts and draws for work that was not done, or not by whom it was given to. */
import {
  claimedTrace,
  executeUnit,
  forwardPosition,
  type StepRef,
  syntheticModel,
  type Trace,
  UNIT_MODEL_DIMS,
} from '@nacre/protocol'
import {
  type AuditLedger,
  audited,
  HONEST,
  honest,
  type Kept,
} from '../../../../packages/protocol/test/audit-fixture.ts'
import { MODEL } from '../../../../packages/protocol/test/ledger-fixture.ts'
import { type MarketLedger, market, minerKeys } from '../../../../packages/protocol/test/market-fixture.ts'
import type { Attack, Outcome } from '../../attack.ts'
import { condemnedFor, refusal } from '../../fixtures/ledger.ts'
import { lyingNode } from '../../fixtures/lying-node.ts'
import { unchecked, uncheckedIn } from '../../fixtures/mutations.ts'

/** A ledger on which a job is assigned, and its two ranks. */
function assigned() {
  const ledger = market()
  const jobId = ledger.post()
  ledger.block()
  return { ledger, jobId, first: ledger.rank(jobId, 0), second: ledger.rank(jobId, 1) }
}

const receipt = ({ ledger, jobId }: { ledger: MarketLedger; jobId: Uint8Array }, tokens?: number[]) =>
  ledger.receiptBody(jobId, tokens === undefined ? {} : { tokens })

const SHAPE: StepRef = { kind: 'shape', layer: 0, group: 0, position: 0 }
const eos = MODEL.config.eosToken
const CHEAP = syntheticModel({ name: 'cheap', dims: { ...UNIT_MODEL_DIMS, ffnDim: 64 }, seed: 'cheap', tiedHead: true })

/** The task of a trace, with changes. */
const taskOf = ({ tokens, shape }: Trace, change: { promptTokens?: number[]; maxNewTokens?: number } = {}) => ({
  promptTokens: [...tokens.slice(0, shape.promptTokens)],
  maxNewTokens: 4,
  decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true },
  ...change,
})

/** A unit is delivered as `keep` forges it and condemned by `step` of it; an honest one is not. */
const delivers =
  (keep: (trace: Trace) => Kept, step: StepRef, answer?: (tokens: number[]) => number[]) => (): Outcome => {
    const told = (ledger: AuditLedger, { jobId, kept }: { jobId: Uint8Array; kept: Kept }) =>
      condemnedFor(ledger, jobId, kept.open(step))
    const cheated = audited()
    const fair = audited()
    return {
      attack: told(cheated, cheated.deliver(keep, {}, answer)),
      honest: told(fair, fair.deliver()),
    }
  }

/** The registered model's trace over the tokens that a cheap model chose. */
function overCheapTokens(trace: Trace): Kept {
  const task = taskOf(trace)
  const claimed = claimedTrace(MODEL, task, executeUnit(CHEAP, task).tokens)
  for (let position = 0; position < claimed.tokens.length - 1; position++) forwardPosition(MODEL, claimed, position)
  return honest(claimed)
}

const cheapAnswer = (trace: Trace): number[] => [...overCheapTokens(trace).trace.tokens.slice(trace.shape.promptTokens)]

export const answers: readonly Attack[] = [
  {
    id: 'usefulness/bills-beyond-the-end',
    actor: 'miner',
    targets: 'P1',
    story: 'The model has ended its answer; the receipt goes on, since output is paid by the token.',
    on: 'protocol',
    rule: 'ECO-4',
    code: 'RECEIPT_TOKENS',
    check: unchecked('market/receipts.ts', 'endsByRule(task, model.eosToken, tokens)'),
    run: async () => {
      const at = assigned()
      const send = (tokens: number[]) => refusal(at.ledger, [at.ledger.tx(at.first, receipt(at, tokens))])
      return { attack: await send([9, eos, 11, 12]), honest: await send([9, eos]) }
    },
  },
  {
    id: 'usefulness/bills-four-for-two',
    actor: 'miner',
    targets: 'P1',
    story: 'Executes two tokens of the answer and bills four, the others made up.',
    on: 'protocol',
    rule: 'AUD-4',
    code: 'RECEIPT_ANSWER',
    check: unchecked('audit/check-receipt-step.ts', 'newTokens === unit.newTokens'),
    run: delivers((trace) => honest(executeUnit(MODEL, taskOf(trace, { maxNewTokens: 2 }))), HONEST),
  },
  {
    id: 'usefulness/cuts-the-answer',
    actor: 'miner',
    targets: 'P1',
    story:
      'Delivers the first token and an end of sequence that the model did not choose, over the trace of the whole answer.',
    on: 'protocol',
    rule: 'AUD-4',
    code: 'RECEIPT_ANSWER',
    check: unchecked('audit/check-receipt-step.ts', 'newTokens === unit.newTokens'),
    run: delivers(honest, HONEST, (tokens) => [...tokens.slice(0, 1), eos]),
  },
  {
    id: 'usefulness/cheap-answer',
    actor: 'miner',
    targets: 'P1',
    story:
      'A cheap model writes the answer; the registered one runs once over it in one pass, and that trace is committed.',
    on: 'protocol',
    rule: 'AUD-4',
    code: 'STEP_MISMATCH',
    check: unchecked('trace/check-step.ts', 'equalBytes(committed, expected)'),
    run: () => {
      let tokens: number[] = []
      return delivers(
        (trace) => {
          tokens = cheapAnswer(trace)
          return overCheapTokens(trace)
        },
        { kind: 'head', layer: 0, group: 0, position: 15 },
        () => tokens,
      )()
    },
  },
  {
    id: 'usefulness/shortened-prompt',
    actor: 'miner',
    targets: 'B1',
    story:
      'A relay between client and model drops half of a long prompt, which costs half as much to run and answers nearly as well.',
    on: 'protocol',
    rule: 'AUD-4',
    code: 'TRACE_DIMENSIONS',
    check: unchecked(
      'trace/check-step.ts',
      'promptTokens === task.promptTokens.length && newTokens >= 1 && newTokens <= task.maxNewTokens',
    ),
    run: delivers(
      (trace) => honest(executeUnit(MODEL, taskOf(trace, { promptTokens: taskOf(trace).promptTokens.slice(8) }))),
      SHAPE,
    ),
  },
  {
    id: 'usefulness/answers-before-the-draw',
    actor: 'coalition',
    targets: 'B1',
    story:
      'The client executes its own job beforehand and hands in the receipt before any beacon has given the job to anybody.',
    on: 'protocol',
    rule: 'ECO-4',
    code: 'RECEIPT_UNASSIGNED',
    check: unchecked('market/receipts.ts', 'job.openedHeight > 0 && job.openedHeight < height'),
    run: async () => {
      const ledger = market()
      const jobId = ledger.post()
      const early = ledger.tx(minerKeys(0), ledger.receiptBody(jobId))
      const attack = await refusal(ledger, [early])
      const at = assigned()
      return { attack, honest: await refusal(at.ledger, [at.ledger.tx(at.first, receipt(at))]) }
    },
  },
  {
    id: 'usefulness/ring-takes-the-job',
    actor: 'coalition',
    targets: 'B1',
    story: 'Another key of the ring delivers the job that the beacon gave to a stranger.',
    on: 'protocol',
    rule: 'ECO-4',
    code: 'RECEIPT_MINER',
    check: unchecked('market/receipts.ts', 'rank >= 0 && !isBarred(draft, sender)'),
    run: async () => {
      const ledger = market({ asks: [{}, {}, {}] })
      const jobId = ledger.post()
      ledger.block()
      const ranks = [ledger.rank(jobId, 0), ledger.rank(jobId, 1)]
      const outsider = [0, 1, 2]
        .map(minerKeys)
        .find((keys) => ranks.every(({ publicKey }) => `${publicKey}` !== `${keys.publicKey}`))!
      const send = (keys: typeof outsider) => refusal(ledger, [ledger.tx(keys, ledger.receiptBody(jobId))])
      return { attack: await send(outsider), honest: await send(ranks[0]!) }
    },
  },
  {
    id: 'usefulness/fallback-comes-first',
    actor: 'coalition',
    targets: 'B1',
    story: 'The second rank delivers at once and takes the fee from the first, whose window it is.',
    on: 'protocol',
    rule: 'ECO-4',
    code: 'RECEIPT_WINDOW',
    check: unchecked('market/receipts.ts', 'rank <= open'),
    run: async () => {
      const at = assigned()
      const send = (keys: typeof at.first) => refusal(at.ledger, [at.ledger.tx(keys, receipt(at))])
      return { attack: await send(at.second), honest: await send(at.first) }
    },
  },
  {
    id: 'usefulness/fallback-draws',
    actor: 'coalition',
    targets: 'B1',
    story: 'The second rank of a job draws tickets on its unit, so that a ring has two draws for one job.',
    on: 'protocol',
    rule: 'UNT-2',
    code: 'UNIT_RANK',
    check: unchecked('ledger/apply-block.ts', 'equalBytes(job.ranks[0]!, minerKey)'),
    run: async () => {
      const at = assigned()
      const win = (keys: typeof at.first) =>
        refusal(at.ledger, [at.ledger.tx(keys, receipt(at))], keys, at.ledger.paid(at.jobId))
      return { attack: await win(at.second), honest: await win(at.first) }
    },
  },
  {
    id: 'usefulness/draws-again-later',
    actor: 'miner',
    targets: 'B5',
    story: 'Keeps the trace of a paid unit and draws on it once more in each later block.',
    on: 'protocol',
    rule: 'UNT-2',
    code: 'UNIT_PARENT',
    check: unchecked('ledger/apply-block.ts', 'job.openedHeight === height - 1 && equalBytes(unit.parentId, parentId)'),
    run: async () => {
      const at = assigned()
      const win = () => refusal(at.ledger, [at.ledger.tx(at.first, receipt(at))], at.first, at.ledger.paid(at.jobId))
      const fair = await win()
      at.ledger.block()
      return { attack: await win(), honest: fair }
    },
  },
  {
    id: 'usefulness/draws-on-an-open-job',
    actor: 'coalition',
    targets: 'B1',
    story: 'Draws on a job of its own that no beacon has assigned yet.',
    on: 'protocol',
    rule: 'UNT-2',
    code: 'UNIT_JOB',
    check: {
      file: 'packages/protocol/src/ledger/apply-block.ts',
      from: 'if (job === undefined || job.openedHeight === 0)',
      to: 'if (job === undefined)',
    },
    run: async () => {
      const ledger = market()
      const jobId = ledger.post()
      const attack = await refusal(ledger, [], minerKeys(0), ledger.paid(jobId))
      const at = assigned()
      const fair = await refusal(at.ledger, [at.ledger.tx(at.first, receipt(at))], at.first, at.ledger.paid(at.jobId))
      return { attack, honest: fair }
    },
  },
  {
    id: 'usefulness/cached-answer',
    actor: 'miner',
    targets: 'P1',
    story:
      'Sells the answer that it gave to the same prompt under another seed; the client executes it again before it accepts.',
    on: 'protocol',
    rule: 'AUD-7',
    code: 'ANSWER_FALSE',
    check: uncheckedIn('gateway', 'jobs/client.ts', '!verdict.isTrue', 'false'),
    run: async () => ({
      honest: await lyingNode((node) => node.onJob),
      attack: await lyingNode(
        (node) =>
          ({ id, job }) =>
            node.answer(id, { tokens: node.cached(job), height: 13 }),
      ),
    }),
  },
  {
    id: 'usefulness/relay-overcharges',
    actor: 'outsider',
    targets: 'P1',
    story: 'The node between client and network says that the job cleared at twice its bid.',
    on: 'protocol',
    rule: 'AUD-7',
    code: 'ANSWER_FALSE',
    check: uncheckedIn('gateway', 'jobs/check-answer.ts', 'price > job.maxPrice', 'false'),
    run: async () => ({
      honest: await lyingNode((node) => node.onJob),
      attack: await lyingNode(
        (node) =>
          ({ id, job }) =>
            node.answer(id, { height: 13 }, { priceGrains: `${2n * job.maxPrice}` }),
      ),
    }),
  },
  {
    id: 'usefulness/copies-the-answer',
    actor: 'miner',
    targets: 'P1',
    story:
      'The second rank reads answer and trace root in a receipt that waits, and hands them in as its own once its window has begun.',
    on: 'protocol',
    because:
      'the task of a job is the same for every rank, and so is its trace. The first rank has its window to itself, and whoever delivers has to open steps of the trace when a verifier or the client asks, which it has to execute for.',
    run: async () => {
      const at = assigned()
      const seen = receipt(at)
      at.ledger.blocks(at.ledger.params.jobs.assignmentWindowBlocks)
      return (await refusal(at.ledger, [at.ledger.tx(at.second, seen)])) === undefined
    },
  },
]
