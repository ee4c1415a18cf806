/** The verbs of `nacre wallet` that ask a node. */
import type { HistoryEntry, TransactionView } from '@nacre/node'
import { messageOf, readAccount, readHistory } from '@nacre/node/rpc-client'
import {
  accountOf,
  decodeAddress,
  FAUCET_ACCOUNT,
  FAUCET_SEED_HEX,
  hexToBytes,
  type KeyPair,
  keyPairFromSeed,
  type Params,
} from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { integerFlag } from '../options.ts'
import { interruptible } from '../signals.ts'
import { formatBoth, formatNcr, parseNcr } from '../wallet/amount.ts'
import { decryptKeys, type KeyFile, readKeyFile } from '../wallet/key-file.ts'
import { addressOf, networkText, readOwnNetwork, type WalletNetwork } from '../wallet/network.ts'
import { NonceRecord } from '../wallet/nonce-record.ts'
import { passphraseOf } from '../wallet/secrets.ts'
import { followPayment, type Payment, sendPayment } from '../wallet/send.ts'
import type { WalletCall, WalletOptions } from './wallet.ts'

const MAX_DEPTH = 50
const DEFAULT_FAUCET = '100'
const MAX_HISTORY = 10_000
/** Questions for one history: a node looks through some hundred blocks for each. */
const MAX_HISTORY_PAGES = 200
const PAGE_ENTRIES = 100

async function open({ path, rpc, say }: WalletCall): Promise<{ file: KeyFile; params: Params }> {
  const file = await readKeyFile(path, say)
  return { file, params: await readOwnNetwork(rpc, file.network) }
}

const sumOf = (list: readonly { readonly grains: bigint }[]): bigint =>
  list.reduce((sum, { grains }) => sum + grains, 0n)

/** `balance`. */
export async function balanceCommand(call: WalletCall): Promise<void> {
  const { file } = await open(call)
  const { address, network } = file
  const account = await readAccount(call.rpc, address, file.publicKey)
  const waiting = account.waiting.reduce((sum, { cost }) => sum + cost, 0n)
  const [immature, bonded] = [sumOf(account.immature), sumOf(account.bonds)]
  const json = {
    address,
    network,
    height: account.height,
    maturedGrains: `${account.balance}`,
    waitingGrains: `${waiting}`,
    spendableGrains: `${account.balance - waiting}`,
    immatureGrains: `${immature}`,
    immature: account.immature.map(({ height, grains }) => ({ height, grains: `${grains}` })),
    bondedGrains: `${bonded}`,
    bonds: account.bonds.map(({ role, grains, returnsHeight }) => ({ role, grains: `${grains}`, returnsHeight })),
  }
  const row = (name: string, grains: bigint, note = ''): string =>
    `${name.padEnd(11)} ${formatNcr(grains).padStart(24)} ${`${grains}`.padStart(20)} grains${note}`
  call.print(json, [
    `${address} on ${networkText(network)}, block ${account.height}`,
    row('matured', account.balance),
    ...(waiting === 0n
      ? []
      : [
          row(' on its way', -waiting, `, ${account.waiting.length} waiting for a block`),
          row(' spendable', account.balance - waiting),
        ]),
    row('immature', immature),
    ...account.immature.map(({ height, grains }) => row('', grains, `, spendable from block ${height}`)),
    row('bonded', bonded),
    ...account.bonds.map(({ role, grains, returnsHeight }) =>
      row(
        '',
        grains,
        returnsHeight === undefined ? `, as a ${role}` : `, as a ${role}, returns at block ${returnsHeight}`,
      ),
    ),
  ])
}

/** `send TO AMOUNT`. */
export async function sendCommand(call: WalletCall): Promise<void> {
  const [to, amount] = call.positionals as [string, string]
  const grains = parseNcr('the amount', amount)
  const wishes = payWishes(call.options)
  const nonce = call.options.nonce === undefined ? undefined : integerFlag('nonce', call.options.nonce, 0, 2 ** 53 - 1)
  const { path, rpc, options, say } = call
  const file = await readKeyFile(path, say)
  const account = receiverOf(to, file.network)
  const unlock = async (): Promise<KeyPair> =>
    decryptKeys(file, await passphraseOf({ file: options['passphrase-file'], environment: true, path }), path)
  const { network } = file
  await pay(call, wishes, {
    params: await readOwnNetwork(rpc, network),
    ...{ network, force: options.force === true, replace: options.replace === true, again: options.again === true },
    record: await NonceRecord.open(path, network.chainId, file.address),
    from: file.address,
    to: { address: to, account },
    grains,
    nonce: nonce === undefined ? undefined : BigInt(nonce),
    isShared: false,
    unlock,
  })
}

function receiverOf(address: string, network: WalletNetwork): Uint8Array {
  try {
    return decodeAddress(address, network.addressPrefix)
  } catch (error) {
    const why = messageOf(error).replace(/^ADDRESS_INVALID: /, '')
    throw new CliError(`"${messageOf(address)}" is no address of ${network.name}: ${why}`, 2, 'ADDRESS_INVALID')
  }
}

/** `faucet [AMOUNT]`: a payment from the account whose key everybody knows. */
export async function faucetCommand(call: WalletCall): Promise<void> {
  const grains = parseNcr('the amount', call.positionals[0] ?? DEFAULT_FAUCET)
  const wishes = payWishes(call.options)
  const { file, params } = await open(call)
  const { network } = file
  if (params.emission.faucetAccount !== FAUCET_ACCOUNT || params.emission.faucetGrains === 0n)
    throw new CliError(`${networkText(network)} has no faucet: coins come from others, or by mining`, 1, 'NO_FAUCET')
  const keys = keyPairFromSeed(hexToBytes(FAUCET_SEED_HEX))
  await pay(call, wishes, {
    params,
    network,
    from: addressOf(network, keys.publicKey),
    to: { address: file.address, account: accountOf(file.publicKey) },
    grains,
    nonce: undefined,
    isShared: true,
    unlock: async () => keys,
  })
}

interface PayWishes {
  /** Undefined: the least there is. */
  readonly fee: bigint | undefined
  /** Undefined: do not wait. */
  readonly depth: number | undefined
  readonly timeoutMs: number
}

function payWishes({ fee, wait, depth, timeout }: WalletOptions): PayWishes {
  if (!wait && (depth !== undefined || timeout !== undefined))
    throw new CliError('--depth and --timeout go with --wait', 2)
  return {
    fee: fee === undefined ? undefined : parseNcr('--fee', fee),
    depth: wait ? integerFlag('depth', depth ?? '3', 1, MAX_DEPTH) : undefined,
    timeoutMs: 1000 * integerFlag('timeout', timeout ?? '600', 1, 86_400),
  }
}

async function pay(call: WalletCall, wishes: PayWishes, payment: Omit<Payment, 'rpc' | 'fee'>): Promise<void> {
  const { rpc, options, print, say } = call
  const { params, network, from, to, grains } = payment
  const fee = wishes.fee ?? params.fees.minTransactionGrains
  const sent = await sendPayment({ rpc, ...payment, fee })
  const json = {
    id: sent.id,
    network,
    from,
    to: to.address,
    grains: `${grains}`,
    feeGrains: `${fee}`,
    nonce: `${sent.nonce}`,
  }
  const lines = [
    `sent ${formatBoth(grains)} to ${to.address}, fee ${formatNcr(fee)}, nonce ${sent.nonce}`,
    `transaction ${sent.id}`,
  ]
  const { depth, timeoutMs } = wishes
  if (depth === undefined) return print({ ...json, status: 'sent' }, lines)
  for (const line of lines) if (options.json) say(line)
  if (!options.json) print(undefined, lines)
  const onChange = (view: TransactionView): void => say(stateText(view, depth))
  const follow = { rpc, params, from, sent, depth, timeoutMs, onChange }
  const { blockHeight, blockId, depth: reached } = await interruptible((signal) => followPayment({ ...follow, signal }))
  print({ ...json, status: 'included', blockHeight, blockId, depth: reached }, [
    `paid in block ${blockHeight}, ${reached} deep`,
  ])
}

function stateText(view: TransactionView, depth: number): string {
  switch (view.status) {
    case 'waiting':
      return 'waits for a block'
    case 'included':
      return `in block ${view.blockHeight}, ${Math.min(view.depth, depth)} of ${depth} deep`
    case 'unknown':
      return 'the node does not know it at the moment'
  }
}

/** `history`. */
export async function historyCommand(call: WalletCall): Promise<void> {
  const { options, rpc, print } = call
  const limit = integerFlag('limit', options.limit ?? '20', 1, MAX_HISTORY)
  const start = options.from === undefined ? undefined : integerFlag('from', options.from, 0, 2 ** 31)
  const { file } = await open(call)
  const { address, network } = file
  const { waiting } = await readAccount(rpc, address, undefined)
  const entries: HistoryEntry[] = []
  let from = start
  let height = 0
  for (let pages = 0; pages < MAX_HISTORY_PAGES; pages++) {
    const page = await readHistory(rpc, address, from, Math.min(PAGE_ENTRIES, limit - entries.length))
    if (pages === 0) height = page.height
    entries.push(...page.entries)
    from = page.next
    if (from === undefined || entries.length >= limit) break
  }
  const json = {
    address,
    network,
    height,
    waiting: waiting.map(({ id, nonce, cost }) => ({ id, nonce: `${nonce}`, costGrains: `${cost}` })),
    entries,
    ...(from === undefined ? {} : { next: from }),
  }
  print(json, [
    `${address} on ${networkText(network)}, block ${height}`,
    ...(start === undefined ? waiting : []).flatMap(({ id, nonce, cost }) => [
      `waiting     ${'nonce'.padStart(19)} ${nonce}   ${formatNcr(-cost)} with its fee`,
      `${' '.repeat(12)}${id}`,
    ]),
    ...entries.flatMap((entry) => entryLines(entry, address)),
    ...(entries.length === 0 ? ['nothing came in or went out'] : []),
    ...(from === undefined ? [] : [`older blocks: --from ${from}`]),
  ])
}

const KINDS: Readonly<Record<string, string>> = {
  genesis: 'there from the beginning',
  matured: 'matured: coinbases, bonds, bounties',
  minerRegister: 'bond of a miner',
  verifierRegister: 'bond of a verifier',
  unbond: 'bond asked back',
  equivocation: 'proof of equivocation',
  accusation: 'deposit of an accusation',
  fraudProof: 'proof of fraud',
}

function entryLines(entry: HistoryEntry, address: string): string[] {
  const { height, timeMs, kind, grains, id, from, to, feeGrains } = entry
  const isSender = from === address
  const isReceiver = kind === 'transfer' ? to === address : id === undefined
  const amount = isSender && isReceiver ? '0 NCR' : formatNcr(isReceiver ? BigInt(grains) : -BigInt(grains))
  const itself = `${formatNcr(BigInt(grains))} to itself`
  const partner = isSender && isReceiver ? itself : isSender ? `to ${to}` : `from ${from}`
  const what = kind === 'transfer' ? partner : (KINDS[kind] ?? kind)
  const fee = isSender && feeGrains !== undefined ? `, fee ${formatNcr(BigInt(feeGrains))}` : ''
  const sign = isReceiver && !isSender ? '+' : ''
  const time = new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ')
  return [
    `#${`${height}`.padEnd(10)} ${time}  ${`${sign}${amount}`.padStart(18)}  ${what}${fee}`,
    ...(id === undefined ? [] : [`${' '.repeat(12)}${id}`]),
  ]
}
