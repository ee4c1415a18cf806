/** Coins of the faucet for whoever needs some at the start of a local network: bonds, and what clients pay with. */
import {
  decodeAddress,
  FAUCET_SEED_HEX,
  GRAINS_PER_NCR,
  hexToBytes,
  keyPairFromSeed,
  type Params,
} from '@nacre/protocol'
import { addressOf, networkOf } from '../wallet/network.ts'
import { sendPayment } from '../wallet/send.ts'

/** What one account gets. */
export interface Grant {
  readonly address: string
  readonly grains: bigint
}

/** Above the bond: fees of some hundred transactions until the first rewards mature. */
const MARGIN_GRAINS = GRAINS_PER_NCR

/** What a key needs to register. */
export const bondGrant = (params: Params, role: 'miner' | 'verifier', address: string): Grant => ({
  address,
  grains: (role === 'miner' ? params.bonds.minerGrains : params.bonds.verifierGrains) + MARGIN_GRAINS,
})

/** Pays the grants one after the other. Throws CliError, and the protocol's error where the node refuses. */
export async function fund(rpc: string, params: Params, grants: readonly Grant[]): Promise<void> {
  const keys = keyPairFromSeed(hexToBytes(FAUCET_SEED_HEX))
  const network = networkOf(params)
  for (const { address, grains } of grants) {
    await sendPayment({
      ...{ rpc, params, network, grains, nonce: undefined, isShared: true },
      from: addressOf(network, keys.publicKey),
      to: { address, account: decodeAddress(address, network.addressPrefix) },
      fee: params.fees.minTransactionGrains,
      unlock: async () => keys,
    })
  }
}
