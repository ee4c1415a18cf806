/**
 * What a wallet has signed, beside its key file: a node that denies a payment, or forgets it, must not make it happen that something
 * else is signed in its place, or that it is paid twice, without its owner knowing.
 */
import { CliError } from '../errors.ts'
import { formatNcr } from './amount.ts'
import { readSmallFile, replaceFile } from './private-file.ts'

const FORMAT = 'nacre-wallet-nonces'
const VERSION = 1
/** The newest are kept: an account's older transactions are deep in the chain. */
export const MAX_ENTRIES = 256
/** An entry has about 300 bytes. */
const MAX_FILE_BYTES = 256 * 1024

/** `unknown`: no answer came; `taken`: a node has it; `refused`: a node says that it does not want it. */
export type SignedState = 'unknown' | 'taken' | 'refused'
const STATES: readonly SignedState[] = ['unknown', 'taken', 'refused']

export interface Signed {
  readonly nonce: bigint
  /** Of the transaction, hex. */
  readonly id: string
  /** For people, and the same for the same payment: `12.5 NCR to tncr1...`, `a job`. */
  readonly what: string
  readonly state: SignedState
}

export const paymentText = (grains: bigint, to: string): string => `${formatNcr(grains)} to ${to}`
/** Of a job that says nothing about others: two jobs are never the same. */
export const JOB_TEXT = 'a job'

export class NonceRecord {
  readonly #path: string
  readonly #chainId: string
  readonly #address: string
  #entries: readonly Signed[]

  private constructor(path: string, chainId: string, address: string, entries: readonly Signed[]) {
    this.#path = path
    this.#chainId = chainId
    this.#address = address
    this.#entries = entries
  }

  /** The record of a wallet; empty where the file is of another key or chain. Throws CliError RECORD_MALFORMED, FILE. */
  static async open(walletPath: string, chainId: string, address: string): Promise<NonceRecord> {
    const path = `${walletPath}.nonces`
    const refuse = (why: string): never => {
      throw new CliError(
        `${path} is no record of a wallet's payments: ${why}. Moved away, nothing guards against paying twice until the next payment`,
        1,
        'RECORD_MALFORMED',
      )
    }
    const found = await readSmallFile(path, MAX_FILE_BYTES, refuse)
    const entries = found === undefined ? [] : parseRecord(found.text, chainId, address, refuse)
    return new NonceRecord(path, chainId, address, entries)
  }

  /**
   * Throws CliError NONCE_SIGNED where this nonce was signed for something else that may still be under way, unless `replace`; and
   * MAYBE_PAID where the same was signed with an earlier nonce and nobody knows that it is not paid, unless `again`.
   */
  check(next: Pick<Signed, 'nonce' | 'id' | 'what'>, { replace, again }: { replace: boolean; again: boolean }): void {
    const rival = this.#entries.find(
      ({ nonce, id, what, state }) =>
        nonce === next.nonce && id !== next.id && state !== 'refused' && (what !== next.what || what === JOB_TEXT),
    )
    if (rival !== undefined && !replace)
      throw new CliError(
        `nonce ${next.nonce} was signed for ${rival.what} (transaction ${rival.id}), which this node does not have. Signed again, ` +
          'only one of the two can happen: --replace does it, or wait until a block has the first',
        1,
        'NONCE_SIGNED',
      )
    const denied = this.#entries.find(
      ({ nonce, what, state }) => nonce < next.nonce && state !== 'taken' && what === next.what && what !== JOB_TEXT,
    )
    if (denied !== undefined && !again)
      throw new CliError(
        `${next.what} was signed before with nonce ${denied.nonce}, which is used by now though the node ` +
          `${denied.state === 'refused' ? 'refused it' : 'gave no answer'}: it may be paid already. "wallet history" on a node that you trust ` +
          `shows transaction ${denied.id} if it is; --again pays once more`,
        1,
        'MAYBE_PAID',
      )
  }

  /** Writes down what is about to be sent. Throws CliError FILE: then nothing may be sent. */
  async add(signed: Omit<Signed, 'state'>): Promise<void> {
    const others = this.#entries.filter(({ id }) => id !== signed.id)
    await this.#write([...others, { ...signed, state: 'unknown' as const }])
  }

  async mark(id: string, state: SignedState): Promise<void> {
    await this.#write(this.#entries.map((entry) => (entry.id === id ? { ...entry, state } : entry)))
  }

  async #write(entries: readonly Signed[]): Promise<void> {
    this.#entries = entries.slice(-MAX_ENTRIES)
    const list = this.#entries.map(({ nonce, ...rest }) => ({ nonce: `${nonce}`, ...rest }))
    const file = { format: FORMAT, version: VERSION, chainId: this.#chainId, address: this.#address, entries: list }
    await replaceFile(this.#path, `${JSON.stringify(file)}\n`)
  }
}

function parseRecord(text: string, chainId: string, address: string, refuse: (why: string) => never): Signed[] {
  let file: { readonly [name: string]: unknown }
  try {
    file = Object(JSON.parse(text))
  } catch {
    return refuse('it is not JSON')
  }
  if (file.format !== FORMAT || file.version !== VERSION) refuse(`it is not "${FORMAT}" of version ${VERSION}`)
  if (file.chainId !== chainId || file.address !== address) return []
  if (!Array.isArray(file.entries) || file.entries.length > MAX_ENTRIES) return refuse('it has no proper entries')
  return file.entries.map((each: unknown) => {
    const { nonce, id, what, state } = Object(each) as Readonly<Record<string, unknown>>
    if (typeof nonce !== 'string' || !/^\d{1,20}$/.test(nonce)) return refuse('an entry has no proper nonce')
    if (typeof id !== 'string' || !/^[0-9a-f]{64}$/.test(id)) return refuse('an entry has no proper id')
    if (typeof what !== 'string' || !/^[\x20-\x7e]{1,200}$/.test(what))
      return refuse('an entry does not say what it is')
    if (!STATES.includes(state as SignedState)) return refuse('an entry has no proper state')
    return { nonce: BigInt(nonce), id, what, state: state as SignedState }
  })
}
