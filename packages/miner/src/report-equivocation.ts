import { type Evidence, type FullNode, NetworkError, NodeError } from '@nacre/node'
import {
  accountOf,
  bytesToHex,
  encodeTransaction,
  headerCodec,
  isBarred,
  type KeyPair,
  ProtocolError,
  readAccount,
  signTransaction,
} from '@nacre/protocol'

/**
 * Puts evidence of equivocation on the chain (BLK-3): anybody may, and whoever has a key and the fee does.
 * Does nothing if the key is barred already or the account cannot pay.
 */
export async function reportEquivocation(node: FullNode, keys: KeyPair, evidence: Evidence): Promise<void> {
  const { genesis, params } = node.context
  const { reader } = node.chain.tipState()
  const { balance, nonce } = readAccount(reader, accountOf(keys.publicKey))
  const fee = params.fees.minTransactionGrains
  if (balance < fee || isBarred(reader, evidence[0].minerKey)) return
  const [evidenceA, evidenceB] = evidence.map((header) => headerCodec.encode(header)) as [Uint8Array, Uint8Array]
  const body = { kind: 'equivocation', evidenceA, evidenceB } as const
  const transaction = signTransaction({ chainId: genesis.chainId, nonce, fee, body }, keys)
  try {
    const id = await node.publishTransaction(encodeTransaction(transaction))
    node.log.info({ event: 'equivocation_reported', id: bytesToHex(id) })
  } catch (error) {
    if (!(error instanceof ProtocolError || error instanceof NodeError || error instanceof NetworkError)) throw error
    node.log.debug({ event: 'equivocation_not_reported', code: error.code, error: error.message })
  }
}
