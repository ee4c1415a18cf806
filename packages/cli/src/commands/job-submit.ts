/** `nacre job submit`. */
import { createFastHash } from '@nacre/engine'
import {
  createJobClient,
  defaultLifetimeBlocks,
  type JobAnswer,
  JobError,
  type JobProgress,
  type JobRequest,
  nameMiner,
  planJob,
} from '@nacre/gateway'
import { readAccount, readMarket } from '@nacre/node/rpc-client'
import type { MarketRules, Params } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { macsText, shortId, shownText, statusLine } from '../jobs/describe.ts'
import { type Bid, bidOf, requestOf, verifyFlag } from '../jobs/request.ts'
import { signingJournal } from '../jobs/signing-journal.ts'
import { inlineModelWorkers, loadTextModel, type TextModel } from '../network-model.ts'
import { integerFlag } from '../options.ts'
import { interruptible } from '../signals.ts'
import { formatBoth, formatNcr } from '../wallet/amount.ts'
import { decryptKeys, type KeyFile, readKeyFile } from '../wallet/key-file.ts'
import { readOwnNetwork } from '../wallet/network.ts'
import { JOB_TEXT, NonceRecord } from '../wallet/nonce-record.ts'
import { passphraseOf } from '../wallet/secrets.ts'
import { checkFunds } from '../wallet/send.ts'
import type { JobCall } from './job.ts'

interface Plan {
  readonly file: KeyFile
  readonly params: Params
  readonly model: TextModel
  readonly market: MarketRules
  readonly request: JobRequest
  readonly bid: Bid
  /** Grains that the job holds back until it has a price and an answer. */
  readonly escrow: bigint
}

/** `submit PROMPT`. */
export async function submitCommand(call: JobCall): Promise<void> {
  const { options } = call
  const verify = verifyFlag(options.verify)
  const timeout = options.timeout === undefined ? undefined : integerFlag('timeout', options.timeout, 1, 86_400)
  const hash = await createFastHash()
  const plan = await planOf(call, hash)
  const { file, model, market, request } = plan
  for (const line of planLines(plan)) call.say(line)
  const need = { grains: plan.escrow, fee: plan.params.fees.minTransactionGrains, nonce: undefined }
  const hasFaucet = plan.params.emission.faucetGrains > 0n
  checkFunds(await readAccount(call.rpc, file.address, undefined), need, hasFaucet)
  const passphrase = await passphraseOf({ file: options['passphrase-file'], environment: true, path: call.path })
  const keys = await decryptKeys(file, passphrase, call.path)
  const workers = verify === 'off' ? undefined : await inlineModelWorkers(model, hash)
  const record = await NonceRecord.open(call.path, file.network.chainId, file.address)
  const client = await createJobClient({
    ...{ rpcUrl: call.rpc, keys, market },
    ...(workers === undefined ? {} : { workers }),
    journal: signingJournal(record, JOB_TEXT, options.replace === true),
  })
  const screen = new Screen(call, model)
  try {
    const answer = await interruptible((interrupt) => {
      const deadline = timeout === undefined ? [] : [AbortSignal.timeout(1000 * timeout)]
      const signal = AbortSignal.any([interrupt, ...deadline])
      return client.submit(request, { signal, verify, onProgress: (progress) => screen.progress(progress) })
    })
    screen.end(answer, plan)
  } catch (error) {
    throw submitError(error)
  } finally {
    await client.stop()
    await workers?.stop()
  }
}

async function planOf(call: JobCall, hash: Awaited<ReturnType<typeof createFastHash>>): Promise<Plan> {
  const { options, rpc, positionals } = call
  const file = await readKeyFile(call.path, call.say)
  const params = await readOwnNetwork(rpc, file.network)
  const model = await loadTextModel(params, options.model ?? params.models[0]!.name, hash)
  const prices = (await readMarket(rpc)).models.find(({ modelId }) => modelId === model.modelId)
  if (prices === undefined) throw new CliError(`the node has no market for ${model.name}`, 1, 'UNKNOWN_MODEL')
  const bid = bidOf(options['max-price'], prices)
  const asked = requestOf(params, model, positionals[0]!, options, bid)
  const named = options.miner ?? (await minerFor(params, rpc, asked))
  const request = named === undefined ? asked : { ...asked, minerKey: named }
  const market = { params, models: new Map([[model.modelId, model.model.config]]) }
  return { file, params, model, market, request, bid, escrow: planJob(market, request).escrow }
}

/** Where the client has to name who delivers. */
async function minerFor(params: Params, rpc: string, request: JobRequest): Promise<string | undefined> {
  if (params.bindings.provenance !== 'client-signed') return undefined
  return interruptible((signal) => nameMiner(rpc, request, signal)).catch((error: unknown) => {
    throw submitError(error)
  })
}

function planLines({ params, model, request, bid, escrow }: Plan): string[] {
  const { promptTokens, maxNewTokens, maxPriceGrains, decoding, minerKey } = request
  const how = decoding.temperatureMilli === 0 ? 'greedy' : `temperature ${decoding.temperatureMilli / 1000}`
  return [
    `${model.name}: a prompt of ${promptTokens.length} tokens, at most ${maxNewTokens} more, ${how}${minerKey === undefined ? '' : `, for miner ${shortId(minerKey)}`}`,
    `bids ${maxPriceGrains} grains per GMAC (${bid.why}); holds back at most ${formatBoth(escrow)}, ` +
      `fee ${formatNcr(params.fees.minTransactionGrains)}, expires after ${defaultLifetimeBlocks(params)} blocks`,
  ]
}

/** The text on standard output, states beside it. */
class Screen {
  readonly #call: JobCall
  readonly #model: TextModel
  #posted = false
  #text: string | undefined

  constructor(call: JobCall, model: TextModel) {
    this.#call = call
    this.#model = model
  }

  progress({ jobId, view }: JobProgress): void {
    if (!this.#posted) this.#call.say(`posted: job ${jobId}`)
    this.#posted = true
    if (view === undefined) return
    this.#call.say(statusLine(view))
    if (view.receipt !== undefined) this.#show(view.receipt.tokens)
  }

  /** The text, once; before it is verified, since that takes time. */
  #show(tokens: readonly number[]): void {
    if (this.#text !== undefined) return
    this.#text = shownText(this.#model, tokens)
    if (!this.#call.options.json) process.stdout.write(`${this.#text}\n`)
  }

  end(answer: JobAnswer, { model, escrow, request }: Plan): void {
    this.#show(answer.tokens)
    const { say, print } = this.#call
    const { jobId, feeGrains, inputMacs, outputMacs, priceGrains, receiptId, receiptHeight } = answer
    say(
      answer.verification === 'verified'
        ? `verified: executed again here, every token and the trace root are what ${model.name} gives`
        : 'NOT verified: this is what the miner claims; "job verify" executes it again',
    )
    say(
      `cost ${formatNcr(feeGrains)} at ${priceGrains} grains per GMAC: ${macsText(inputMacs)} MACs of input, ` +
        `${macsText(outputMacs)} of output; ${formatNcr(escrow - feeGrains)} of what was held back return`,
    )
    const where = receiptHeight === undefined ? 'waits for a block' : `in block ${receiptHeight}`
    say(`receipt ${shortId(receiptId)} ${where}; it is unaudited`)
    if (this.#call.options.json)
      print(
        {
          ...answer,
          text: this.#text,
          model: model.name,
          promptTokens: request.promptTokens,
          priceGrains: `${priceGrains}`,
          feeGrains: `${feeGrains}`,
          escrowGrains: `${escrow}`,
          isAudited: false,
          jobId,
        },
        [],
      )
  }
}

/** What a person can do about it. */
function submitError(error: unknown): unknown {
  if (!(error instanceof JobError)) return error
  const { code, jobId, message } = error
  if (code === 'STOPPED')
    return new CliError(
      jobId === undefined ? 'interrupted: nothing was posted' : `interrupted: ${message}`,
      130,
      'INTERRUPTED',
    )
  const hint: Partial<Record<string, string>> = {
    EXPIRED: '. A higher --max-price finds a miner sooner',
    NO_MINER: '. The same job again is drawn to other miners',
    DEADLINE: jobId === undefined ? '' : `. "job show ${jobId}" tells how it goes on`,
    NO_NODE: jobId === undefined ? '' : `. The job may go on: "job show ${jobId}"`,
  }
  return new CliError(`${message}${hint[code] ?? ''}`, 1, code)
}
