/** The verbs of `nacre wallet` that make, show and give out keys. */
import { randomBytes } from 'node:crypto'
import { isSilence, RpcError } from '@nacre/node/rpc-client'
import { bytesToHex } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { exists } from '../files.ts'
import { paramsFrom } from '../options.ts'
import { decryptKeys, encryptSeed, existsError, readKeyFile, writeKeyFile } from '../wallet/key-file.ts'
import { networkOf, networkText, readNetwork, type WalletNetwork } from '../wallet/network.ts'
import { newPassphrase, passphraseOf, readSeed } from '../wallet/secrets.ts'
import type { WalletCall } from './wallet.ts'

export const createCommand = (call: WalletCall): Promise<void> =>
  addWallet(call, async () => new Uint8Array(randomBytes(32)))

export const importCommand = (call: WalletCall): Promise<void> =>
  addWallet(call, () => readSeed(call.options['seed-file']))

async function addWallet(call: WalletCall, seedOf: () => Promise<Uint8Array>): Promise<void> {
  const { path, options, print } = call
  if (await exists(path)) throw existsError(path)
  const network = await networkFor(call)
  const passphrase = await newPassphrase({ file: options['passphrase-file'], environment: true, path })
  const file = await encryptSeed(await seedOf(), passphrase, network)
  await writeKeyFile(path, file)
  print({ wallet: path, address: file.address, network }, [
    `wallet   ${path}`,
    `address  ${file.address}`,
    `network  ${networkText(network)}`,
    'Without its passphrase nobody can open it: keep both, and a copy of the file.',
  ])
}

async function networkFor({ rpc, options }: WalletCall): Promise<WalletNetwork> {
  if (options.preset !== undefined) {
    if (options.rpc !== undefined) throw new CliError('--preset goes without --rpc', 2)
    return networkOf(paramsFrom(options.preset, options.set ?? []))
  }
  if (options.set !== undefined) throw new CliError('--set goes with --preset', 2)
  try {
    return (await readNetwork(rpc)).network
  } catch (error) {
    if (!isSilence(error)) throw error
    throw new RpcError('NO_ANSWER', `${(error as Error).message}; --preset NAME makes a wallet without one`)
  }
}

export async function addressCommand({ path, print, say }: WalletCall): Promise<void> {
  const { address, publicKey, network } = await readKeyFile(path, say)
  print({ wallet: path, address, publicKey: bytesToHex(publicKey), network }, [address])
}

export async function exportCommand({ path, options, print, say }: WalletCall): Promise<void> {
  const file = await readKeyFile(path, say)
  const passphrase = await passphraseOf({ file: options['passphrase-file'], environment: false, path })
  const { secretKey } = await decryptKeys(file, passphrase, path)
  const seed = bytesToHex(secretKey)
  say('this is the secret key: whoever sees it can spend everything')
  print({ seed, address: file.address }, [seed])
}
