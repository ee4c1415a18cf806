/** A gateway on a job client that answers as a test says: for what happens between HTTP and jobs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFastHash, createKernels, createUnitEngine, inlineWorkers } from '@nacre/engine'
import type { JobView } from '@nacre/node/rpc-client'
import {
  bytesToHex,
  byteTokenizer,
  chainIdOf,
  decodeMacs,
  encodeByteText,
  jobFee,
  type Params,
  presets,
  promptMacs,
  unitModel,
} from '@nacre/protocol'
import OpenAI from 'openai'
import {
  type ApiKey,
  type ApiKeySettings,
  createApiKey,
  createScorer,
  DEFAULT_KEY_SETTINGS,
  defaultPolicy,
  formatKeys,
  type Gateway,
  type GatewayModel,
  gatewayModels,
  type JobAnswer,
  type JobClient,
  JobError,
  type JobRequest,
  type MarketAsk,
  type Policy,
  type ScoreAnswer,
  type SubmitOptions,
  serveGateway,
} from '../src/index.ts'

export const params: Params = presets.unit
const model = unitModel()
export const models: readonly GatewayModel[] = gatewayModels(params, [{ model, tokenizer: byteTokenizer }])
const hash = await createFastHash()
export const engine = createUnitEngine({ model, kernels: await createKernels(), hash })
export const workers = inlineWorkers([engine], hash)
const { eosToken } = model.config

export const hex = (byte: number): string => byte.toString(16).padStart(2, '0').repeat(32)
export const ASK: MarketAsk = { minerKey: hex(0xaa), priceGrains: 1_000_000n, roomMacs: 1_000_000_000_000n }

/** What a job comes to: a text, a whole answer, or a failure. `index` counts jobs from 0. */
export type Script = (
  request: JobRequest,
  index: number,
  options: SubmitOptions,
) => Promise<string | Partial<JobAnswer> | Error> | string | Partial<JobAnswer> | Error

/** An answer as the network would give it for a text, with a receipt of miner `index`. */
export function answerFor(request: JobRequest, index: number, text: string | Partial<JobAnswer>): JobAnswer {
  const given = typeof text === 'string' ? { tokens: [...encodeByteText(text), eosToken] } : text
  const tokens = given.tokens ?? [eosToken]
  const shape = { promptTokens: request.promptTokens.length, maxNewTokens: tokens.length }
  return {
    jobId: hex(index + 1),
    tokens,
    minerKey: hex(0xa0 + (index % 3)),
    rank: 0,
    traceRoot: hex(0xcc),
    unitParentId: hex(0xdd),
    receiptId: hex(0xee),
    receiptHeight: 12,
    finishReason: tokens.at(-1) === eosToken ? 'stop' : 'length',
    priceGrains: 1_000_000n,
    inputMacs: promptMacs(model.config, request.promptTokens.length),
    outputMacs: decodeMacs(model.config, tokens.length),
    feeGrains: jobFee(params, model.config, shape, 1_000_000n),
    verification: 'unchecked',
    timings: { postedMs: 1, answeredMs: 2 },
    ...given,
  }
}

/** The answer that the model really gives. */
export function realAnswer(request: JobRequest, index: number): JobAnswer {
  const task = {
    promptTokens: request.promptTokens,
    maxNewTokens: request.maxNewTokens,
    decoding: request.decoding,
  }
  const { tokens } = engine.generate(task)
  const { traceRoot } = engine.replayUnit(task, tokens)
  return answerFor(request, index, {
    tokens: [...tokens.subarray(request.promptTokens.length)],
    traceRoot: bytesToHex(traceRoot),
  })
}

export interface Double {
  readonly client: JobClient
  readonly requests: { readonly request: JobRequest; readonly options: SubmitOptions }[]
}

export function clientDouble(
  script: Script,
  onBalance: () => void = () => undefined,
  onPost: () => Promise<void> = async () => undefined,
): Double {
  const requests: Double['requests'] = []
  const client: JobClient = {
    address: 'tncr1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq',
    chain: { chainId: bytesToHex(chainIdOf(params)), params },
    balance: async () => {
      onBalance()
      return { height: 7, maturedGrains: 10n, waitingGrains: 0n, spendableGrains: 10n }
    },
    submit: async (request, options) => {
      const index = requests.length
      requests.push({ request, options })
      await onPost()
      options.onProgress?.({ jobId: hex(index + 1), status: 'waiting' })
      const stopped = new Promise<Error>((resolve) =>
        options.signal.addEventListener('abort', () =>
          resolve(new JobError('STOPPED', 'stopped', { jobId: hex(index + 1) })),
        ),
      )
      const outcome = await Promise.race([script(request, index, options), stopped])
      if (outcome instanceof Error) throw outcome
      return answerFor(request, index, outcome)
    },
    stop: async () => undefined,
  }
  return { client, requests }
}

export interface TestGateway extends Double {
  readonly gateway: Gateway
  readonly openai: OpenAI
  readonly logs: object[]
  /** The raw answer of the API to a body. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
}

export interface TestOptions {
  readonly script?: Script
  readonly asks?: readonly MarketAsk[] | Promise<readonly MarketAsk[]>
  readonly referenceGrains?: bigint
  readonly models?: readonly GatewayModel[]
  readonly policy?: Policy
  readonly keysPath?: string
  readonly ledgerPath?: string
  readonly apiKey?: string
  readonly deadlineMs?: number
  readonly stopGraceMs?: number
  readonly streamOpenMs?: number
  readonly maxRetries?: number
  readonly host?: string
  readonly score?: ScoreAnswer
  readonly onBalance?: () => void
  /** Before the job has an id. */
  readonly onPost?: () => Promise<void>
  readonly nowMs?: () => number
  readonly jobView?: (jobId: string) => Promise<JobView | undefined>
  readonly tipHeight?: () => number
}

const open: { stop(): Promise<void> }[] = []
const folders: string[] = []

export async function testGateway(options: TestOptions = {}): Promise<TestGateway> {
  const double = clientDouble(options.script ?? (() => 'ok'), options.onBalance, options.onPost)
  const logs: object[] = []
  const add = (entry: object): void => void logs.push(entry)
  const { asks = [ASK], keysPath, ledgerPath, deadlineMs, stopGraceMs, streamOpenMs, nowMs } = options
  const gateway = await serveGateway({
    client: double.client,
    models: options.models ?? models,
    market: { quote: async () => ({ asks: await asks, referenceGrains: options.referenceGrains ?? 0n }) },
    tipHeight: async () => options.tipHeight?.() ?? 100,
    jobView: options.jobView ?? (async (id) => ({ id, status: 'assigned' })),
    score: options.score ?? createScorer(workers),
    policy: options.policy ?? defaultPolicy(models),
    verify: 'off',
    keysPath,
    ledgerPath,
    host: options.host ?? '127.0.0.1',
    port: 0,
    log: { debug: () => undefined, info: add, warn: add, error: add },
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(stopGraceMs === undefined ? {} : { stopGraceMs }),
    ...(streamOpenMs === undefined ? {} : { streamOpenMs }),
    ...(nowMs === undefined ? {} : { nowMs }),
  })
  open.push(gateway)
  const openai = new OpenAI({
    baseURL: `${gateway.url}/v1`,
    apiKey: options.apiKey ?? 'any',
    maxRetries: options.maxRetries ?? 0,
  })
  const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(gateway.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  return { ...double, gateway, openai, logs, post }
}

/** Stops what the tests have opened, and removes their folders. */
export async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((each) => each.stop()))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'nacre-gateway-'))
  folders.push(folder)
  return folder
}

export const writeKeys = (path: string, keys: readonly ApiKey[]): void =>
  writeFileSync(path, formatKeys(keys, path), { mode: 0o600 })

/** A file of keys with one key for each of the settings. */
export async function keyFile(
  settings: readonly Partial<ApiKeySettings>[],
): Promise<{ readonly path: string; readonly ledgerPath: string; readonly keys: readonly string[] }> {
  const path = join(temporaryFolder(), 'keys.json')
  const made = settings.map((each, i) =>
    createApiKey(
      { ...DEFAULT_KEY_SETTINGS, name: `key ${i}`, limitGrains: 1_000_000_000n, verify: undefined, ...each },
      0,
    ),
  )
  writeKeys(
    path,
    made.map(({ entry }) => entry),
  )
  return { path, ledgerPath: `${path}.sqlite`, keys: made.map(({ key }) => key) }
}
