/**
 * A node's RPC that says what a test tells it to, for the ways in which a real one does not err. Transactions are decoded and checked;
 * answers are computed by the real engine, and then changed where the test wants a lie.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createFastHash, createKernels, createUnitEngine, inlineWorkers, type WorkerPort } from '@nacre/engine'
import type { AskView, JobReceiptView, JobView } from '@nacre/node/rpc-client'
import {
  bytesToHex,
  chainIdOf,
  decodeTransaction,
  hasValidTransactionSignature,
  hexToBytes,
  type Job,
  type Params,
  presets,
  type Transaction,
  transactionIdOfBytes,
  unitModel,
} from '@nacre/protocol'

export const params: Params = presets.unit
export const model = unitModel()
export const market = { params, models: new Map([[bytesToHex(model.modelId), model.config]]) }
const hash = await createFastHash()
const engine = createUnitEngine({ model, kernels: await createKernels(), hash })
export const engineWorkers = (): WorkerPort => inlineWorkers([engine], hash)

export const MINER = 'aa'.repeat(32)
const OTHER_MINER = 'bb'.repeat(32)
export const PRICE = 77n

type Json = (value: unknown, status?: number) => unknown

interface Taken {
  readonly id: string
  readonly hex: string
  readonly transaction: Transaction
  readonly job: Job
  view: JobView
}

export class FakeNode {
  /** Everything that was posted, refused or not. */
  readonly posted: string[] = []
  readonly jobs = new Map<string, Taken>()
  chainId = bytesToHex(chainIdOf(params))
  height = 10
  /** Of the account at the tip. */
  nonce = 0n
  hasEvents = true
  asks: readonly AskView[] = []
  /** What becomes of a job that was taken in; default: it is answered truly at once. */
  onJob: (taken: Taken) => void = (taken) => this.answer(taken.id)
  /** A refusal of transactions; or no answer, or a broken connection, after they were taken in. */
  refuse: ((transaction: Transaction) => { code: string; status?: number } | 'cut' | 'silent' | undefined) | undefined
  #server: Server | undefined
  readonly #streams = new Set<ServerResponse>()
  #port = 0

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async start(): Promise<this> {
    const server = createServer((request, response) => void this.#answer(request, response))
    this.#server = server
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    return this
  }

  /** Goes away; a later start has the same address. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
    this.#streams.clear()
  }

  get streams(): number {
    return this.#streams.size
  }

  /** Shows a job as something, and tells those who listen. */
  show(id: string, change: Partial<JobView>): void {
    const taken = this.jobs.get(id)!
    taken.view = { ...taken.view, ...change }
    this.send('job', taken.view)
  }

  send(name: string, data: unknown): void {
    for (const stream of this.#streams) stream.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  /** The true answer to a job, with changes. */
  answer(id: string, change: Partial<JobReceiptView> = {}, view: Partial<JobView> = {}): void {
    const { job } = this.jobs.get(id)!
    const { tokens } = engine.generate(job)
    const { traceRoot } = engine.replayUnit(job, tokens)
    const receipt: JobReceiptView = {
      minerKey: MINER,
      rank: 0,
      tokens: [...tokens].slice(job.promptTokens.length),
      traceRoot: bytesToHex(traceRoot),
      unitParentId: 'cc'.repeat(32),
      transactionId: 'dd'.repeat(32),
      isAudited: false,
      ...change,
    }
    this.show(id, { status: 'answered', ...assigned, receipt, ...view })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const [path = ''] = (request.url ?? '').split('?')
    const json: Json = (value, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (path === '/status') return json({ chainId: this.chainId })
    if (path === '/health') return json({ ok: true, height: this.height })
    if (path === '/events') return this.#stream(response)
    if (path.startsWith('/market/')) return json({ asks: this.asks })
    if (path === '/transactions') return this.#take(await bodyOf(request), json, response)
    if (path.startsWith('/accounts/')) return json(this.#account())
    const id = path.split('/')[2] ?? ''
    if (path.startsWith('/jobs/')) return json(this.jobs.get(id)?.view ?? { id, status: 'unknown' })
    if (path.startsWith('/transactions/')) {
      const status = this.jobs.has(id) ? 'waiting' : 'unknown'
      return json({ id, status, height: this.height, searchedFrom: 0 })
    }
    return json({ error: { code: 'NOT_FOUND', message: path } }, 404)
  }

  #stream(response: ServerResponse): unknown {
    if (!this.hasEvents) return response.writeHead(503).end()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(': connected\n\n')
    this.#streams.add(response)
    return response.on('close', () => this.#streams.delete(response))
  }

  get #waiting(): Taken[] {
    return [...this.jobs.values()].filter(({ transaction }) => transaction.nonce >= this.nonce)
  }

  #account(): unknown {
    const waiting = this.#waiting.map(({ id, transaction }) => ({ id, nonce: `${transaction.nonce}`, costGrains: '5' }))
    const nextNonce = this.nonce + BigInt(waiting.length)
    const { height, nonce } = this
    return { height, balanceGrains: '1000', nonce: `${nonce}`, nextNonce: `${nextNonce}`, waiting, immature: [] }
  }

  #take(body: string, json: Json, response: ServerResponse): unknown {
    const hex = (JSON.parse(body) as { transaction: string }).transaction
    this.posted.push(hex)
    const bytes = hexToBytes(hex)
    const transaction = decodeTransaction(bytes)
    const id = bytesToHex(transactionIdOfBytes(bytes))
    if (!hasValidTransactionSignature(transaction)) throw new Error('the client signs wrongly')
    const refusal = this.refuse?.(transaction)
    const error = (code: string, status = 400): unknown =>
      json({ error: { code, message: `${code}: as told` } }, status)
    if (typeof refusal === 'object') return error(refusal.code, refusal.status)
    if (!this.jobs.has(id)) {
      const next = this.nonce + BigInt(this.#waiting.length)
      if (transaction.nonce !== next) return error(transaction.nonce < next ? 'TX_NONCE_LOW' : 'TX_NONCE_GAP')
      const job = transaction.body as Job
      const taken: Taken = { id, hex, transaction, job, view: { id, status: 'waiting' } }
      this.jobs.set(id, taken)
      if (refusal === undefined) setTimeout(() => this.jobs.has(id) && this.onJob(taken), 5)
    }
    if (refusal === 'silent') return response
    return refusal === 'cut' ? response.destroy() : json({ id })
  }
}

const assigned: Partial<JobView> = {
  priceGrains: `${PRICE}`,
  openedHeight: 12,
  ranks: [
    { minerKey: MINER, firstHeight: 13, lastHeight: 14 },
    { minerKey: OTHER_MINER, firstHeight: 15, lastHeight: 16 },
  ],
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
