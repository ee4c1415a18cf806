/** The network that a wallet belongs to. */
import { readChain } from '@nacre/node/rpc-client'
import { accountOf, bytesToHex, chainIdOf, encodeAddress, type Params } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { withHint } from '../options.ts'

export interface WalletNetwork {
  /** For people. */
  readonly name: string
  /** Hex. */
  readonly chainId: string
  readonly addressPrefix: string
}

export const networkOf = (params: Params): WalletNetwork => ({
  name: params.network.name,
  chainId: bytesToHex(chainIdOf(params)),
  addressPrefix: params.network.addressPrefix,
})

export const addressOf = ({ addressPrefix }: WalletNetwork, publicKey: Uint8Array): string =>
  encodeAddress(accountOf(publicKey), addressPrefix)

/** `devnet (chain 0123456789abcdef…)`. */
export const networkText = ({ name, chainId }: Pick<WalletNetwork, 'name' | 'chainId'>): string =>
  `${name} (chain ${chainId.slice(0, 16)}…)`

/** The parameters of a node's network. The chain id is their hash, so a node cannot state others than its chain has. */
export async function readNetwork(rpc: string): Promise<{ params: Params; network: WalletNetwork }> {
  const { params } = await readChain(rpc).catch(withHint)
  return { params, network: networkOf(params) }
}

/** {@link readNetwork}, of the wallet's own network and no other. Throws CliError WRONG_NETWORK, which names both. */
export async function readOwnNetwork(rpc: string, own: WalletNetwork): Promise<Params> {
  const { params, network } = await readNetwork(rpc)
  if (network.chainId === own.chainId) return params
  const alike =
    network.name === own.name
      ? ' The names are alike, but any other parameter makes another chain: a devnet measures its difficulty anew at each start.'
      : ''
  throw new CliError(
    `wrong network: this wallet belongs to ${networkText(own)}, the node at ${rpc} is on ${networkText(network)}.` +
      `${alike} Another network needs another wallet: --wallet FILE`,
    1,
    'WRONG_NETWORK',
  )
}
