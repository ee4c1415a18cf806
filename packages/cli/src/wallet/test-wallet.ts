/** Wallets of networks of test coins: made without a person, and filled from the faucet. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readAccount } from '@nacre/node/rpc-client'
import { bytesToHex, GRAINS_PER_NCR, type Params } from '@nacre/protocol'
import { fund } from '../devnet/funding.ts'
import { CliError } from '../errors.ts'
import { exists } from '../files.ts'
import { encryptSeed, readKeyFile, writeKeyFile } from './key-file.ts'
import { networkOf } from './network.ts'

export interface TestWallet {
  readonly path: string
  /** Lies beside it: whoever reads the folder has the coins. */
  readonly passphrasePath: string
  readonly address: string
}

const PASSPHRASE_BYTES = 24
/** Thousands of answers of a devnet. */
export const TEST_WALLET_GRAINS: bigint = 1_000n * GRAINS_PER_NCR
/** Below this it is filled again. */
const LEAST_GRAINS = 100n * GRAINS_PER_NCR
const POLL_MS = 1_000
const TRIES = 120

/** The wallet for a chain in `folder`, made when there is none. Throws CliError where coins are worth something. */
export async function testWalletIn(folder: string, params: Params): Promise<TestWallet> {
  if (params.emission.faucetGrains === 0n)
    throw new CliError(`${params.network.name} has no faucet: its coins are no test coins`, 2, 'NO_FAUCET')
  mkdirSync(folder, { recursive: true })
  const network = networkOf(params)
  const path = join(folder, `wallet-${network.chainId.slice(0, 8)}.json`)
  const passphrasePath = join(folder, 'passphrase')
  if (!(await exists(passphrasePath)))
    writeFileSync(passphrasePath, `${bytesToHex(randomBytes(PASSPHRASE_BYTES))}\n`, { mode: 0o600 })
  if (await exists(path)) return { path, passphrasePath, address: (await readKeyFile(path, () => undefined)).address }
  const passphrase = readFileSync(passphrasePath, 'utf8').trim()
  const file = await encryptSeed(new Uint8Array(randomBytes(32)), passphrase, network)
  await writeKeyFile(path, file)
  return { path, passphrasePath, address: file.address }
}

/** Fills it from the faucet where it holds little, and waits for the coins. Throws CliError. */
export async function fillTestWallet(
  rpc: string,
  params: Params,
  { address }: TestWallet,
  signal: AbortSignal,
): Promise<void> {
  for (let tries = 0; tries < TRIES && !signal.aborted; tries++) {
    const { balance, waiting } = await readAccount(rpc, address, undefined, signal)
    if (balance - waiting.reduce((sum, { cost }) => sum + cost, 0n) >= LEAST_GRAINS) return
    // A payment may be lost to another one of the faucet: every so often again.
    if (tries % 30 === 0) await fund(rpc, params, [{ address, grains: TEST_WALLET_GRAINS }])
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
  }
  if (signal.aborted) throw new CliError('interrupted', 130, 'INTERRUPTED')
  throw new CliError(`the faucet's coins did not come within ${(TRIES * POLL_MS) / 1000} s: no blocks?`, 1, 'NO_FUNDS')
}
