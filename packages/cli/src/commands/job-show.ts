/** `nacre job show` and `verify`: jobs of anybody, without a wallet. */
import { createFastHash } from '@nacre/engine'
import { verifyAnswer } from '@nacre/gateway'
import { type JobView, readChain, readJob } from '@nacre/node/rpc-client'
import { hasPlants, hexToBytes, type KeyedHash, type Params, type UnitTask } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { jobLines, receiptLines, shownText } from '../jobs/describe.ts'
import { inlineModelWorkers, loadTextModel, type TextModel } from '../network-model.ts'
import { withHint } from '../options.ts'
import { interruptible } from '../signals.ts'
import type { JobCall } from './job.ts'

/** `show ID`. */
export async function showCommand(call: JobCall): Promise<void> {
  await interruptible(async (signal) => {
    const view = await jobOf(call, signal)
    const { params } = await readChain(call.rpc, signal)
    // Without the model's file the tokens stay numbers.
    const model = await modelOf(params, view, await createFastHash()).catch(() => undefined)
    const text =
      model === undefined || view.receipt === undefined ? {} : { text: shownText(model, view.receipt.tokens) }
    call.print({ ...view, ...text }, jobLines(view, model))
  })
}

/** `verify ID`. */
export async function verifyCommand(call: JobCall): Promise<void> {
  await interruptible(async (signal) => {
    const view = await jobOf(call, signal)
    const { receipt } = view
    if (receipt === undefined)
      throw new CliError(`job ${view.id} has no answer to verify: it is ${view.status}`, 1, 'NO_ANSWER_YET')
    const { params } = await readChain(call.rpc, signal)
    const hash = await createFastHash()
    const model = await modelOf(params, view, hash)
    const workers = await inlineModelWorkers(model, hash)
    const startMs = performance.now()
    const claim = {
      modelId: model.modelId,
      task: taskOf(view),
      tokens: receipt.tokens,
      traceRoot: receipt.traceRoot,
      mayBePlanted: hasPlants(params),
    }
    const verdict = await verifyAnswer(workers, claim, signal)
    const checkMs = Math.round(performance.now() - startMs)
    const { id } = view
    const { minerKey, transactionId, traceRoot, isAudited } = receipt
    const json = { id, model: model.name, receipt: { minerKey, transactionId, traceRoot, isAudited }, checkMs }
    if (!verdict.isTrue) {
      call.say(receiptLines(view).join('\n'))
      throw new CliError(`the answer of job ${id} is FALSE: ${verdict.reason}`, 1, 'ANSWER_FALSE')
    }
    const isTraceOther = verdict.isTraceOther === true
    const right = isTraceOther ? 'tokens are' : 'tokens and the trace root are'
    call.print({ ...json, isTrue: true, ...(isTraceOther && { isTraceOther }) }, [
      ...receiptLines(view),
      `right     all ${receipt.tokens.length} ${right} what ${model.name} gives (executed again in ${checkMs} ms)`,
      ...(isTraceOther
        ? ['trace     another one: a planted fault if its miner says so in time (AUD-8), else fraud']
        : []),
    ])
  })
}

async function jobOf({ rpc, positionals }: JobCall, signal: AbortSignal): Promise<JobView> {
  const id = positionals[0]!.toLowerCase()
  if (!/^[0-9a-f]{64}$/.test(id)) throw new CliError('the ID of a job has 64 hex digits', 2)
  const view = await readJob(rpc, id, signal).catch(withHint)
  if (view.status === 'unknown')
    throw new CliError(
      `the node at ${rpc} knows no job ${id}: another network, or it forgot what is long over`,
      1,
      'UNKNOWN_JOB',
    )
  return view
}

async function modelOf(params: Params, { model, modelId }: JobView, hash: KeyedHash): Promise<TextModel> {
  const listed = params.models.find((each) => (modelId === undefined ? each.name === model : each.modelId === modelId))
  if (listed === undefined)
    throw new CliError(`the node does not say which of the network's models the job is for`, 1, 'UNKNOWN_MODEL')
  return loadTextModel(params, listed.name, hash)
}

function taskOf({ id, promptTokens, maxNewTokens, decoding }: JobView): UnitTask {
  if (promptTokens === undefined || promptTokens.length === 0 || maxNewTokens === undefined || decoding === undefined)
    throw new CliError(`the node does not have prompt and decoding of job ${id} any more`, 1, 'UNKNOWN_JOB')
  return { promptTokens, maxNewTokens, decoding: { ...decoding, seed: hexToBytes(decoding.seed) } }
}
