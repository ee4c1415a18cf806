/** What is asked: questions of clients, and jobs that the self-dealer posts to itself. */

import type { FullNode } from '@nacre/node'
import {
  bytesToHex,
  chainIdOf,
  encodeTransaction,
  hexToBytes,
  type Job,
  type KeyPair,
  keyPairFromSeed,
  type Params,
  signTransaction,
  taggedHash,
  transactionId,
  type UnitTask,
  windowBlocks,
} from '@nacre/protocol'
import { heldOutQuestions, promptOf } from '../../src/devnet/questions.ts'
import { modelFolder } from '../../src/network-model.ts'
import { BID } from './size.ts'

/** Blocks that a job may wait in the book. */
export const WAITING_BLOCKS = 6
/** Room for examples before they are cut to the prompt's length. */
const LONG = 200

export const keysOf = (seed: string, name: string): KeyPair =>
  keyPairFromSeed(taggedHash('unitId', new TextEncoder().encode(`${seed}/${name}`)))

/** Posts jobs of one account, one after the other. */
export class Client {
  readonly keys: KeyPair
  /** Hex, of all jobs posted. */
  readonly jobs: string[] = []
  readonly #node: FullNode
  readonly #named: string | undefined
  readonly #prompts: (n: number) => readonly number[]
  #nonce = 0n

  /** @param named the miner that its jobs name where clients choose it, hex. */
  constructor(node: FullNode, keys: KeyPair, prompts: (n: number) => readonly number[], named?: string) {
    this.keys = keys
    this.#node = node
    this.#prompts = prompts
    this.#named = named
  }

  /** Throws the protocol's error where the node refuses. */
  async post(): Promise<void> {
    const { chain, context } = this.#node
    const { params } = context
    const body: Job = {
      kind: 'job',
      modelId: hexToBytes(params.models[0]!.modelId),
      promptTokens: this.#prompts(this.jobs.length),
      maxNewTokens: params.units.bootstrapNewTokens,
      decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: true },
      maxPrice: BID,
      expiryHeight: chain.tip.header.height + windowBlocks(params) + 2 + WAITING_BLOCKS,
      ...(params.bindings.provenance === 'client-signed' ? { minerKey: hexToBytes(this.#named!) } : {}),
    }
    const envelope = { chainId: chainIdOf(params), nonce: this.#nonce++, fee: params.fees.minTransactionGrains }
    const transaction = signTransaction({ ...envelope, body }, this.keys)
    await this.#node.publishTransaction(encodeTransaction(transaction))
    this.jobs.push(bytesToHex(transactionId(transaction)))
  }
}

/** Held-out questions behind some examples, as long as a prompt of the bootstrap lane: whole tiles under either network's rules. */
export function questions(params: Params): (n: number) => readonly number[] {
  const all = heldOutQuestions(modelFolder(params.models[0]!.name))
  const at = (n: number) => all[(n * 7919) % all.length]!
  const { bootstrapPromptTokens } = params.units
  return (n) => {
    const examples = Array.from({ length: 8 }, (_, i) => at(n + 101 * (i + 1)))
    return promptOf(at(n), examples, LONG).slice(-bootstrapPromptTokens)
  }
}

/** The one prompt of all fake jobs. */
export function ownPrompt(params: Params): readonly number[] {
  return Array.from({ length: params.units.bootstrapPromptTokens }, (_, i) => 32 + (i % 64))
}

export const isOwnPrompt =
  (params: Params) =>
  ({ promptTokens }: UnitTask): boolean =>
    ownPrompt(params).every((token, i) => promptTokens[i] === token)
