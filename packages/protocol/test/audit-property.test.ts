/**
 * P3, P4, P5, P7, P9 of audits, AUD-6: random jobs, honest and forged receipts, accusations, proofs, challenges, responses, secrets, verdicts,
 * registrations and equivocations in any order. At every height each grain is accounted for; taking blocks back restores every state;
 * the miner that works honestly keeps everything; and everybody else in one hand, as clients, miners, verifiers and accusers of one
 * another, never has more than at the start.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { accusationCommitment } from '../src/audit/accusations.ts'
import { auditedTask, checkReceiptStep } from '../src/audit/check-receipt-step.ts'
import { readAuditedUnit, readAuditor, readChallenges, readVerdicts } from '../src/audit/entries.ts'
import { epochOf } from '../src/audit/epochs.ts'
import type { FraudProof, VerdictProof } from '../src/audit/payloads.ts'
import { drawsPlant, plantCommitment, plantWindows } from '../src/audit/plant-draws.ts'
import { readPlanter } from '../src/audit/plant-entries.ts'
import { answeringRoot } from '../src/audit/plants.ts'
import { auditedSteps, secretCommitment } from '../src/audit/selection.ts'
import { verdictDigests } from '../src/audit/verdicts.ts'
import { equalBytes } from '../src/bytes.ts'
import { ProtocolError } from '../src/errors.ts'
import { executeUnit } from '../src/inference/execute.ts'
import { accountOf, type KeyPair } from '../src/keys.ts'
import { isBarred, readImmature } from '../src/ledger/entries.ts'
import { ROLE_MINER, ROLE_VERIFIER } from '../src/ledger/keys.ts'
import { type TransactionBody, transactionIdOfBytes } from '../src/ledger/transactions.ts'
import { stateRootOf } from '../src/lthash.ts'
import { readJob } from '../src/market/entries.ts'
import { assignmentsOf } from '../src/market/receipts.ts'
import type { StepRef } from '../src/trace/types.ts'
import { LANE_PAID } from '../src/unit/types.ts'
import { unitId } from '../src/unit/unit-id.ts'
import {
  ACCUSER,
  type AuditLedger,
  audited,
  auditParams,
  FORGED,
  forged,
  fraudProof,
  HONEST,
  honest,
  type Kept,
  OTHER_VERIFIER,
  secretOf,
  verdictOn,
} from './audit-fixture.ts'
import { accuse, FAUCET, MINER, MODEL, transfer } from './ledger-fixture.ts'
import { CLIENT, jobBody, minerKeys, PRICE, VERIFIER } from './market-fixture.ts'

/** Short windows and odd bonds, so that everything that can happen does, and rounds. */
const PARAMS = auditParams(
  'audits.epochBlocks=4',
  'audits.verdictBlocks=2',
  'audits.revealBlocks=3',
  'audits.accusationDelayBlocks=1',
  'audits.accusationBlocks=4',
  'audits.accusationDepositGrains=10007',
  'audits.challengeWindowBlocks=2',
  'audits.responseBlocks=3',
  'audits.challengeBondGrains=1',
  'audits.steps=2',
  'audits.maxVerifiers=2',
  'audits.falseVerdictPpm=70001',
  'block.maturityBlocks=16',
  'bonds.unbondingBlocks=24',
  'bonds.minerGrains=500003',
  'bonds.verifierGrains=700001',
  'audits.plantPpm=400000',
  'jobs.auditWindowBlocks=3',
)
const [HONEST_MINER, FORGER] = [minerKeys(0), minerKeys(1)]
const ACTORS: readonly KeyPair[] = [CLIENT, ACCUSER, HONEST_MINER, FORGER, VERIFIER, OTHER_VERIFIER]

/** All jobs are the same task, so there is one honest trace and one forged. */
const TASK = { promptTokens: jobBody().promptTokens, maxNewTokens: 4, decoding: jobBody().decoding }
const TRACE = executeUnit(MODEL, TASK)
const RIGHT = honest(TRACE)
const WRONG = forged(TRACE)
const TOKENS = [...TRACE.tokens.slice(TASK.promptTokens.length)]
const STEPS: readonly StepRef[] = [
  FORGED,
  HONEST,
  { ...HONEST, position: 5 },
  { ...FORGED, kind: 'shape', layer: 0, position: 0 },
]

/** What the players know besides the state. */
class Game {
  readonly jobs: Uint8Array[] = []
  readonly proofs: { proof: FraudProof | VerdictProof; keys: KeyPair }[] = []
  readonly ledger: AuditLedger
  salt = 0

  constructor(ledger: AuditLedger) {
    this.ledger = ledger
  }

  /** The trace that the unit stands for: of a plant that has been revealed the honest one. */
  kept(jobId: Uint8Array): Kept {
    const unit = readAuditedUnit(this.ledger, jobId)
    const root = unit && answeringRoot(this.ledger, jobId, unit)
    return root !== undefined && equalBytes(root, WRONG.traceRoot) ? WRONG : RIGHT
  }

  readonly units = (): Uint8Array[] => this.jobs.filter((jobId) => readAuditedUnit(this.ledger, jobId) !== undefined)

  recentUnit(pick: number): Uint8Array | undefined {
    return pickOf(this.units().slice(-3), pick)
  }
}

type Wish = { readonly keys: KeyPair; readonly body: TransactionBody } | undefined
type Intent = (game: Game, pick: number) => Wish
const pickOf = <T>(list: readonly T[], pick: number): T | undefined => list[pick % Math.max(1, list.length)]
const verifierOf = (pick: number): KeyPair => (pick % 2 === 0 ? VERIFIER : OTHER_VERIFIER)

const commitTo = (game: Game, keys: KeyPair, proof: FraudProof | VerdictProof): Wish => {
  const salted = { ...proof, salt: new Uint8Array(32).fill(game.salt++ % 256) }
  game.proofs.push({ proof: salted, keys })
  return { keys, body: { kind: 'accusation', commitment: accusationCommitment(keys.publicKey, salted) } }
}

const INTENTS: Readonly<Record<string, Intent>> = {
  job: ({ ledger }, pick) => ({
    keys: CLIENT,
    body: jobBody({ maxPrice: PRICE + BigInt(pick % 7), expiryHeight: ledger.height + 20 }),
  }),
  deliver: ({ ledger }, pick) => {
    for (const keys of pick % 2 === 0 ? [HONEST_MINER, FORGER] : [FORGER, HONEST_MINER])
      for (const { jobId, firstHeight } of assignmentsOf(PARAMS, ledger, ledger.height, keys.publicKey)) {
        if (firstHeight > ledger.height + 1) continue
        const { traceRoot } = keys === FORGER || mayPlant(ledger, jobId) ? WRONG : RIGHT
        return { keys, body: ledger.receiptBody(jobId, { traceRoot, tokens: TOKENS }) }
      }
    return undefined
  },
  accuse: (game, pick) => {
    const wrong = game.units().filter((jobId) => game.kept(jobId) === WRONG)
    const jobId = pickOf(pick % 2 === 1 && wrong.length > 0 ? wrong : game.units(), pick)
    if (jobId === undefined) return undefined
    const step = pickOf(STEPS, Math.floor(pick / 8))!
    return commitTo(game, pickOf(ACTORS, Math.floor(pick / 64))!, fraudProof(jobId, game.kept(jobId).open(step)))
  },
  disputeVerdict: (game, pick) => {
    const revealed = game.units().flatMap((jobId) => {
      const unit = readAuditedUnit(game.ledger, jobId)!
      const epoch = epochOf(PARAMS, unit.receiptHeight)
      return readVerdicts(game.ledger, jobId).flatMap(({ verifier }) => {
        const secret = readAuditor(game.ledger, epoch, verifier)?.secret
        return secret === undefined ? [] : [{ jobId, unit, verifier, secret }]
      })
    })
    const found = pickOf(revealed, Math.floor(pick / 4))
    if (found === undefined) return undefined
    const { jobId, unit, verifier, secret } = found
    const step = pick % 4
    const opening = game.kept(jobId).open(auditedSteps(PARAMS, MODEL.config, secret, unit)[step]!)
    const proof: VerdictProof = { ...fraudProof(jobId, opening), kind: 'verdictProof', verifier, step }
    return commitTo(game, pickOf(ACTORS, Math.floor(pick / 8))!, proof)
  },
  prove: (game, pick) => {
    const found = pickOf(game.proofs.slice(-3), pick)
    return found && { keys: found.keys, body: found.proof }
  },
  commit: ({ ledger }, pick) => {
    const keys = verifierOf(pick)
    const epoch = epochOf(PARAMS, ledger.height + 1) + 1
    const commitment = secretCommitment(keys.publicKey, epoch, secretOf(keys, epoch))
    return { keys, body: { kind: 'verifierCommit', epoch, commitment } }
  },
  reveal: ({ ledger }, pick) => {
    const keys = verifierOf(pick)
    const now = epochOf(PARAMS, ledger.height + 1)
    for (let epoch = Math.max(0, now - 3); epoch < now; epoch++) {
      const auditor = readAuditor(ledger, epoch, keys.publicKey)
      if (auditor !== undefined && auditor.secret === undefined)
        return { keys, body: { kind: 'verifierReveal', epoch, secret: secretOf(keys, epoch) } }
    }
    return undefined
  },
  verdict: (game, pick) => {
    const keys = verifierOf(pick)
    const jobId = game.recentUnit(Math.floor(pick / 8))
    if (jobId === undefined) return undefined
    const { ledger } = game
    const unit = readAuditedUnit(ledger, jobId)!
    const secret = secretOf(keys, epochOf(PARAMS, unit.receiptHeight))
    const task = auditedTask(ledger, jobId, unit)
    const [, , ...drawn] = auditedSteps(PARAMS, MODEL.config, secret, unit)
    const isLazy = pick % 4 > 1 || equalBytes(unit.traceRoot, WRONG.traceRoot)
    const digests = isLazy
      ? drawn.map(() => new Uint8Array(8))
      : verdictDigests(
          keys.publicKey,
          secret,
          unit,
          drawn.map((ref) => checkReceiptStep(MODEL, { ...unit, traceRoot: RIGHT.traceRoot }, task, RIGHT.open(ref))),
        )
    return { keys, body: verdictOn(ledger, jobId, digests) }
  },
  plantCommit: ({ ledger }, pick) => {
    const keys = pickOf([HONEST_MINER, HONEST_MINER, FORGER], pick)!
    const epoch = epochOf(PARAMS, ledger.height + 1) + 1
    const commitment = plantCommitment(keys.publicKey, epoch, secretOf(keys, epoch))
    return { keys, body: { kind: 'plantCommit', epoch, commitment } }
  },
  plantReveal: (game, pick) => plantsOf(game, FORGER, pick % 3 === 0),
  challenge: (game, pick) => {
    const jobId = game.recentUnit(pick)
    if (jobId === undefined) return undefined
    const keys = pickOf([CLIENT, VERIFIER, OTHER_VERIFIER], Math.floor(pick / 8))!
    const ref: StepRef = { ...HONEST, position: Math.floor(pick / 64) % 19 }
    return { keys, body: { kind: 'challenge', jobId, ref, bond: 400_000n + BigInt(pick % 5) } }
  },
  respond: (game, pick) => answerOf(game, FORGER, pickOf(ACTORS, pick)!),
  registry: (_, pick) => ({
    keys: pickOf(
      ACTORS.filter((keys) => keys !== HONEST_MINER),
      pick,
    )!,
    body: pickOf<TransactionBody>(
      [
        { kind: 'verifierRegister' },
        { kind: 'unbond', role: ROLE_VERIFIER },
        { kind: 'unbond', role: ROLE_MINER },
        transfer(accountOf(CLIENT.publicKey), 999n),
      ],
      Math.floor(pick / 8),
    )!,
  }),
  equivocation: (_, pick) =>
    pick > 100 ? undefined : { keys: ACCUSER, body: accuse(pickOf([FORGER, VERIFIER], pick)!.publicKey) },
}

/** Whether the honest miner's unit of a job is one that its secret draws, so that it delivers a wrong trace. */
function mayPlant(ledger: AuditLedger, jobId: Uint8Array): boolean {
  const job = ledger.job(jobId)
  const epoch = epochOf(PARAMS, job.openedHeight)
  if (readPlanter(ledger, epoch, HONEST_MINER.publicKey) === undefined) return false
  const { unitParentId: parentId } = ledger.receiptBody(jobId)
  const unit = { lane: LANE_PAID, modelId: job.modelId, parentId, jobId, counter: 0 } as const
  return drawsPlant(PARAMS, secretOf(HONEST_MINER, epoch), unitId(unit, HONEST_MINER.publicKey))
}

/** The reveal of a miner's plants in the block to come, if their window is open. */
function plantsOf({ ledger, units }: Game, keys: KeyPair, isHonest: boolean): Wish {
  const now = epochOf(PARAMS, ledger.height + 1)
  for (let epoch = Math.max(0, now - 4); epoch <= now; epoch++) {
    const planter = readPlanter(ledger, epoch, keys.publicKey)
    const { revealFrom, revealEnd } = plantWindows(PARAMS, epoch)
    if (planter === undefined || planter.secret !== undefined) continue
    if (ledger.height + 1 < revealFrom || ledger.height + 1 >= revealEnd) continue
    const secret = secretOf(keys, epoch)
    const plants = units()
      .filter((jobId) => {
        const unit = readAuditedUnit(ledger, jobId)!
        const isOwn = equalBytes(unit.minerKey, keys.publicKey) && epochOf(PARAMS, unit.openedHeight) === epoch
        return isOwn && equalBytes(unit.traceRoot, WRONG.traceRoot) && drawsPlant(PARAMS, secret, unit.unitId)
      })
      .map((jobId) => ({ jobId, traceRoot: RIGHT.traceRoot }))
    return { keys, body: { kind: 'plantReveal', epoch, secret, plants: isHonest ? plants : [] } }
  }
  return undefined
}

/** The response to an open challenge of a miner's unit, if there is one. */
function answerOf(game: Game, miner: KeyPair, keys: KeyPair): Wish {
  for (const jobId of game.units()) {
    const unit = readAuditedUnit(game.ledger, jobId)!
    const open = readChallenges(game.ledger, jobId).find(({ dueHeight }) => dueHeight > 0)
    if (open === undefined || unit.isCondemned || !equalBytes(unit.minerKey, miner.publicKey)) continue
    return { keys, body: { kind: 'response', jobId, opening: game.kept(jobId).open(open.ref) } }
  }
  return undefined
}

const WEIGHTS: readonly [keyof typeof INTENTS, number][] = [
  ['job', 6],
  ['deliver', 10],
  ['accuse', 5],
  ['disputeVerdict', 4],
  ['prove', 9],
  ['commit', 7],
  ['reveal', 7],
  ['verdict', 9],
  ['challenge', 6],
  ['respond', 1],
  ['registry', 1],
  ['equivocation', 1],
  ['plantCommit', 6],
  ['plantReveal', 2],
]
const intent = fc.tuple(
  fc.oneof(...WEIGHTS.map(([name, weight]) => ({ weight, arbitrary: fc.constant(name) }))),
  fc.nat(511),
)
const plan = fc.array(fc.array(intent, { minLength: 2, maxLength: 7, size: 'max' }), {
  minLength: 20,
  maxLength: 34,
  size: 'max',
})

/** Grains of everybody but the miner of the blocks, wherever they are. */
function coalition(ledger: AuditLedger): bigint {
  const { balances, immature, bonds, unbonding, jobs, deposits } = ledger.audit()
  let others = ledger.balance(MINER) + ledger.balance(FAUCET)
  for (let height = ledger.height + 1; height <= ledger.height + PARAMS.block.maturityBlocks; height++)
    for (const { grains, minerKey } of readImmature(ledger, height))
      if (equalBytes(minerKey, MINER.publicKey)) others += grains
  return balances + immature + bonds + unbonding + jobs + deposits - others
}

const seen = {
  proven: 0,
  unanswered: 0,
  false: 0,
  paid: 0,
  kept: 0,
  lied: 0,
  answered: 0,
  deposits: 0,
  returned: 0,
  suspected: 0,
  planted: 0,
  silent: 0,
}

function play(game: Game, intents: readonly [keyof typeof INTENTS, number][]): void {
  const { ledger } = game
  const included: Uint8Array[] = []
  // The honest miner answers whatever it is asked, and reveals what it has planted.
  const wishes: Wish[] = [answerOf(game, HONEST_MINER, HONEST_MINER), plantsOf(game, HONEST_MINER, true)]
  wishes.push(...intents.map(([name, pick]) => INTENTS[name]!(game, pick)))
  for (const wish of wishes) {
    if (wish === undefined) continue
    const bytes = ledger.tx(wish.keys, wish.body)
    try {
      ledger.preview([...included, bytes])
      included.push(bytes)
      if (wish.body.kind === 'job') game.jobs.push(transactionIdOfBytes(bytes))
      if (wish.body.kind === 'response') seen.answered++
      if (wish.body.kind === 'plantReveal') seen.planted += wish.body.plants.length
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause
      ledger.unsend(wish.keys)
    }
  }
  const { summary } = ledger.block(included)
  const { condemned, falseAccusations, verdictPay, verifierFaults, suspected, plantFaults } = summary.audits
  seen.suspected += suspected.length
  seen.silent += plantFaults.length
  seen.proven += condemned.filter(({ reason }) => reason === 'proof').length
  seen.unanswered += condemned.filter(({ reason }) => reason === 'unanswered').length
  seen.returned += condemned.filter(({ returned }) => returned > 0n).length
  seen.false += falseAccusations.length
  seen.paid += verdictPay.length
  seen.kept += verifierFaults.filter(({ reason }) => reason === 'secret kept back').length
  seen.lied += verifierFaults.filter(({ reason }) => reason === 'false verdict').length
}

test('property (P3, P4, P5, P7): every grain is accounted for, undo is exact, the honest miner loses nothing, nobody farms audits', () => {
  fc.assert(
    fc.property(plan, (blocks) => {
      const ledger = audited(PARAMS)
      const game = new Game(ledger)
      const start = coalition(ledger)
      const history: { root: Uint8Array; entries: Map<string, Uint8Array> }[] = []
      for (const intents of blocks) {
        history.push({ root: stateRootOf(ledger.ltHash), entries: new Map(ledger.entries) })
        play(game, intents)
        const audit = ledger.audit()
        expect(audit.held).toBe(audit.created)
        if (audit.deposits > 0n) seen.deposits++
        expect(coalition(ledger)).toBeLessThanOrEqual(start)
        expect(isBarred(ledger, HONEST_MINER.publicKey)).toBe(false)
      }
      expect(stateRootOf(ledger.recomputedLtHash())).toEqual(stateRootOf(ledger.ltHash))
      for (const { root, entries } of history.reverse()) {
        ledger.revert()
        expect(stateRootOf(ledger.ltHash)).toEqual(root)
        expect(new Map([...ledger.entries].sort())).toEqual(new Map([...entries].sort()))
      }
    }),
    { numRuns: 10, seed: 20_270_104, endOnFailure: true },
  )
  for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(0)
}, 240_000)

test('when nobody delivers any more, nothing of any audit stays in the state', () => {
  const ledger = audited(PARAMS)
  const game = new Game(ledger)
  const all = ['accuse', 'job', 'deliver', ...Object.keys(INTENTS)].filter(
    (name) => name !== 'registry' && name !== 'equivocation',
  )
  for (let i = 0; i < 24; i++)
    play(
      game,
      all.map((name, k) => [name, 37 * i + 11 * k]),
    )
  expect([...ledger.entries.keys()].some((key) => key.startsWith('audit/'))).toBe(true)
  ledger.blocks(3 * PARAMS.block.maturityBlocks)
  const kinds =
    /^(audit|audit-end|planter|planters|suspicion|accusation|accusation-end|auditor|auditors|verdicts|challenges|challenges-due|full|job|prompt)\//
  expect([...ledger.entries.keys()].filter((key) => kinds.test(key))).toEqual([])
  expect(readJob(ledger, game.jobs[0]!)).toBeUndefined()
})
