/** `nacre job verify`: whether an answer of anybody is the model's, complete or by steps drawn here (AUD-7). */
import { randomBytes } from 'node:crypto'
import { createFastHash } from '@nacre/engine'
import { verifyAnswer } from '@nacre/gateway'
import { type JobView, messageOf, readChain } from '@nacre/node/rpc-client'
import {
  type AnswerClaim,
  bytesToHex,
  claimedShape,
  detectionChance,
  FIXED_STEPS,
  hasPlants,
  hexToBytes,
  type Params,
  type StepRef,
  stepOpeningCodec,
  stepRuns,
  stepShares,
  type UnitTask,
  type Weighing,
} from '@nacre/protocol'
import { type AnswerCheck, checkAnswer, checkEvidence, MAX_CLIENT_STEPS, rpcAnswerSource } from '@nacre/verifier/client'
import { CliError } from '../errors.ts'
import { receiptLines } from '../jobs/describe.ts'
import { inlineModelWorkers, loadTextModel, type TextModel } from '../network-model.ts'
import { integerFlag } from '../options.ts'
import { interruptible } from '../signals.ts'
import type { JobCall } from './job.ts'
import { type Accuser, accuseMiner, checkAccuseFlags, openAccuser } from './job-accuse.ts'
import { jobOf, modelOf } from './job-show.ts'

/** Exit codes beside 1, which says that the answer is false, or that it could not be checked for another reason. */
const WITHHELD = 3
const NO_ANSWER_YET = 4
const UNKNOWN_JOB = 5

/** `verify ID`. */
export async function verifyCommand(call: JobCall): Promise<void> {
  const { sample } = call.options
  const draws = sample === undefined ? undefined : integerFlag('sample', sample, 1, MAX_CLIENT_STEPS)
  checkAccuseFlags(call)
  await interruptible(async (signal) => {
    const view = await jobOf(call, signal).catch((error: unknown) => {
      if (error instanceof CliError && error.code === 'UNKNOWN_JOB')
        throw new CliError(error.message, UNKNOWN_JOB, error.code)
      throw error
    })
    if (view.receipt === undefined) throw noAnswer(view.id, view.status)
    const { params, chainId } = await readChain(call.rpc, signal)
    const accuser = call.options.accuse === true ? await openAccuser(call, view.id) : undefined
    if (draws === undefined && accuser === undefined) await verifyWhole(call, view, params, signal)
    else await verifySampled(call, view, { params, chainId, draws, accuser }, signal)
  })
}

const noAnswer = (id: string, status: string): CliError => {
  const why =
    status === 'answered'
      ? 'its receipt waits for a block, and nobody owes openings before it is in one'
      : `it is ${status}`
  return new CliError(`job ${id} has no answer to verify: ${why}`, NO_ANSWER_YET, 'NO_ANSWER_YET')
}

/** Executes the unit again. */
async function verifyWhole(call: JobCall, view: JobView, params: Params, signal: AbortSignal): Promise<void> {
  const receipt = view.receipt!
  const hash = await createFastHash()
  const model = await modelOf(params, view, hash)
  const workers = await inlineModelWorkers(model, hash)
  const startMs = performance.now()
  const claim = {
    ...{ modelId: model.modelId, task: taskOf(view), tokens: receipt.tokens, traceRoot: receipt.traceRoot },
    mayBePlanted: hasPlants(params),
  }
  const verdict = await verifyAnswer(workers, claim, signal)
  const checkMs = Math.round(performance.now() - startMs)
  if (!verdict.isTrue) {
    call.say(receiptLines(view).join('\n'))
    throw new CliError(`the answer of job ${view.id} is FALSE: ${verdict.reason}`, 1, 'ANSWER_FALSE')
  }
  const isTraceOther = verdict.isTraceOther === true
  const right = isTraceOther ? 'tokens are' : 'tokens and the trace root are'
  call.print({ ...jsonOf(view, model), checkMs, isTrue: true, ...(isTraceOther && { isTraceOther }) }, [
    ...receiptLines(view),
    `right     all ${receipt.tokens.length} ${right} what ${model.name} gives (executed again in ${checkMs} ms)`,
    ...(isTraceOther
      ? ['trace     another one: a planted fault if its miner says so in time (AUD-8), else fraud']
      : []),
  ])
}

interface Sampling {
  readonly params: Params
  readonly chainId: string
  /** Undefined where there is nothing but a stored proof. */
  readonly draws: number | undefined
  readonly accuser: Accuser | undefined
}

/** Opens steps drawn here, or looks again at one that an earlier run has found wrong. */
async function verifySampled(
  call: JobCall,
  view: JobView,
  { params, chainId, draws, accuser }: Sampling,
  signal: AbortSignal,
): Promise<void> {
  const hash = await createFastHash()
  let model: TextModel | undefined
  const startMs = performance.now()
  const options = {
    source: rpcAnswerSource(call.rpc),
    chainId: hexToBytes(chainId),
    jobId: hexToBytes(view.id),
    model: async (modelId: Uint8Array) => {
      model = await loadTextModel(params, nameOf(params, modelId), hash)
      return model.model
    },
    signal,
  }
  const stored = accuser?.stored === undefined ? undefined : await checkEvidence(options, accuser.stored.opening)
  if (stored === undefined && draws === undefined)
    throw new CliError(
      `the proof in ${accuser!.proofPath} says nothing about the answer that the job has now: --sample N draws anew`,
      1,
      'PROOF_OTHER',
    )
  const check = stored ?? (await checkAnswer({ ...options, seed: new Uint8Array(randomBytes(32)), steps: draws! }))
  const checkMs = Math.round(performance.now() - startMs)
  if (check.outcome === 'undelivered') throw noAnswer(view.id, check.status)
  if (check.outcome !== 'right') {
    call.say(receiptLines(view).join('\n'))
    const failure = failureOf(view.id, check, hasPlants(params), accuser !== undefined)
    throw accuser === undefined || check.outcome !== 'wrong'
      ? failure
      : await accused(call, view.id, accuser, check, failure, signal)
  }
  const { claim, steps } = check
  const odds = oddsOf(model!, claim, draws!)
  call.print({ ...jsonOf(view, model!), checkMs, isTrue: true, draws, steps, odds }, [
    ...receiptLines(view),
    `right     ${steps.length - FIXED_STEPS.length} of ${odds.steps} steps, drawn here by what forging them saves, are what ${model!.name} gives, and the trace`,
    `          holds this prompt and this answer (${checkMs} ms)`,
    `odds      ${draws} draws find a miner that took all behind the first attention from another trace with ${percent(odds.kept)}, one that left`,
    `          out the last layer with ${percent(odds.layer)}, and one that forged a single step with ${percent(odds.lightest)} to ${percent(odds.heaviest)}. Only "job verify"`,
    '          without --sample finds any forged step for sure',
  ])
}

/** The failure, with what became of the accusation: the answer is false however that ends. */
async function accused(
  { say }: JobCall,
  id: string,
  accuser: Accuser,
  { claim, evidence }: Extract<AnswerCheck, { outcome: 'wrong' }>,
  failure: CliError,
  signal: AbortSignal,
): Promise<CliError> {
  const { code, details, exitCode } = failure
  say(failure.message)
  const message = `the answer of job ${id} is FALSE in the step ${textOf(evidence.opening.ref)}`
  try {
    const { text, json } = await accuseMiner(accuser, claim, evidence.opening, signal)
    return new CliError(`${message}. ${text}`, exitCode, code, { ...details, accusation: json })
  } catch (error) {
    if (signal.aborted)
      return new CliError(
        `${message}. Interrupted: --accuse again goes on with the proof, as long as its commitment holds`,
        130,
        'INTERRUPTED',
        details,
      )
    const why = messageOf(error)
    const cause = (error as { code?: unknown }).code
    if (typeof cause !== 'string') throw error
    const accusation = { outcome: 'failed', code: cause, message: why }
    return new CliError(`${message}. Not accused: ${why}`, exitCode, code, { ...details, accusation })
  }
}

function failureOf(
  id: string,
  check: Extract<AnswerCheck, { outcome: 'wrong' | 'withheld' }>,
  mayBePlanted: boolean,
  isAccusing: boolean,
): CliError {
  if (check.outcome === 'wrong') {
    const { code, opening } = check.evidence
    const step = textOf(opening.ref)
    const planted = mayBePlanted
      ? '. On this network the fault may be planted (AUD-8): then the text is right, which "job verify" without --sample shows, and the fee returns'
      : ''
    return new CliError(
      `the answer of job ${id} is FALSE in the step ${step}: ${check.reason}. Its opening proves it to everybody (AUD-4); --json prints it${isAccusing ? '' : ', --accuse takes it to the chain'}${planted}`,
      1,
      'ANSWER_FALSE',
      { rule: code, step: opening.ref, opening: bytesToHex(stepOpeningCodec.encode(opening)) },
    )
  }
  const { missing, reason, isOver } = check
  const what = `${missing.length} steps of job ${id} could not be checked, among them ${textOf(missing[0]!)}: ${messageOf(reason)}`
  const hint = isOver
    ? '"job verify" without --sample still executes the answer again'
    : 'That says nothing about the answer: its client and verifiers can ask for a step on the chain (AUD-3), and "job verify" without --sample executes it again'
  return new CliError(`${what}. ${hint}`, WITHHELD, 'WITHHELD', { missing, isOver })
}

/**
 * What a number of draws finds, 0 to 1: a miner that took all behind the first attention from the trace of another prompt, one that left out the last layer,
 * and a single forged step, of those that are least and most likely drawn.
 */
function oddsOf({ model }: TextModel, claim: AnswerClaim, draws: number) {
  const shape = claimedShape(model.config, claim)
  const shares = stepShares(shape)
  const steps: StepRef[] = stepRuns(shape).flatMap(({ kind, layer, group, firstPosition, count }) =>
    Array.from({ length: count }, (_, i) => ({ kind, layer, group, position: firstPosition + i })),
  )
  const found = (of: (step: StepRef) => boolean): number => {
    const all = steps.filter(of).map(shares)
    const sum = (weighing: Weighing): number => all.reduce((total, each) => total + each[weighing], 0)
    return detectionChance({ macs: sum('macs'), reach: sum('reach') }, draws)
  }
  // `shape` and `input` are always looked at, and with them all embeddings.
  const single = steps
    .filter(({ kind }) => kind !== 'embed' && !FIXED_STEPS.some((fixed) => fixed.kind === kind))
    .map((step) => detectionChance(shares(step), draws))
  const last = model.config.nLayers - 1
  return {
    steps: steps.length,
    kept: found(({ kind, layer }) => layer === 0 && kind === 'proj'),
    layer: found(({ kind, layer }) => layer === last && (kind === 'kv' || kind === 'ffn')),
    lightest: Math.min(...single),
    heaviest: Math.max(...single),
  }
}

const percent = (share: number): string =>
  share > 0.999 ? 'more than 99.9 %' : `${Number((100 * share).toPrecision(3))} %`
const textOf = ({ kind, layer, group, position }: StepRef): string =>
  kind === 'shape' || kind === 'input' ? kind : `${kind} (layer ${layer}, group ${group}, position ${position})`

function jsonOf({ id, receipt }: JobView, model: TextModel) {
  const { minerKey, transactionId, traceRoot, isAudited } = receipt!
  return { id, model: model.name, receipt: { minerKey, transactionId, traceRoot, isAudited } }
}

function nameOf(params: Params, modelId: Uint8Array): string {
  const hex = bytesToHex(modelId)
  const listed = params.models.find((each) => each.modelId === hex)
  if (listed === undefined) throw new CliError(`the network lists no model ${hex}`, 1, 'UNKNOWN_MODEL')
  return listed.name
}

function taskOf({ id, promptTokens, maxNewTokens, decoding }: JobView): UnitTask {
  if (promptTokens === undefined || promptTokens.length === 0 || maxNewTokens === undefined || decoding === undefined)
    throw new CliError(`the node does not have prompt and decoding of job ${id} any more`, 1, 'UNKNOWN_JOB')
  return { promptTokens, maxNewTokens, decoding: { ...decoding, seed: hexToBytes(decoding.seed) } }
}
