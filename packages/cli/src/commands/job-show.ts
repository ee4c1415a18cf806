/** `nacre job show`: jobs of anybody, without a wallet. */
import { createFastHash } from '@nacre/engine'
import { type JobView, readChain, readJob } from '@nacre/node/rpc-client'
import type { KeyedHash, Params } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { jobLines, shownText } from '../jobs/describe.ts'
import { loadTextModel, type TextModel } from '../network-model.ts'
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

/** The job that a command is about. Throws CliError UNKNOWN_JOB. */
export async function jobOf({ rpc, positionals }: JobCall, signal: AbortSignal): Promise<JobView> {
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

/** The model of a job, from its file. Throws CliError UNKNOWN_MODEL. */
export async function modelOf(params: Params, { model, modelId }: JobView, hash: KeyedHash): Promise<TextModel> {
  const listed = params.models.find((each) => (modelId === undefined ? each.name === model : each.modelId === modelId))
  if (listed === undefined)
    throw new CliError(`the node does not say which of the network's models the job is for`, 1, 'UNKNOWN_MODEL')
  return loadTextModel(params, listed.name, hash)
}
