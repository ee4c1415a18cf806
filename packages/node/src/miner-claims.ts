/** Which peers run which miner: claims in `status` that the miner's key has signed for the peer that makes them (NET-6). */
import { check, equalBytes, type KeyPair, signHash, taggedHash, utf8ToBytes, verifyHash } from '@nacre/protocol'
import type { PeerName } from './ports/network.ts'

/** That a peer runs the miner with this key. */
export interface MinerClaim {
  /** 32 bytes. */
  readonly minerKey: Uint8Array
  /** 64 bytes, over chain and peer: of no use to another peer, since the transport proves names. */
  readonly signature: Uint8Array
}

const claimHash = (chainId: Uint8Array, peer: PeerName): Uint8Array =>
  taggedHash('minerClaim', chainId, utf8ToBytes(peer))

/** What the holder of `keys` says in `status` on a node that others know as `peer`. @param chainId 32 bytes. */
export function signMinerClaim(chainId: Uint8Array, peer: PeerName, keys: KeyPair): MinerClaim {
  return { minerKey: keys.publicKey, signature: signHash(claimHash(chainId, peer), keys) }
}

/** The proven claims of connected peers, one each. */
export class MinerClaims {
  readonly #chainId: Uint8Array
  readonly #claims = new Map<PeerName, MinerClaim>()

  constructor(chainId: Uint8Array) {
    this.#chainId = chainId
  }

  /**
   * Takes what a peer's latest status says in place of what it said before. A signature is checked when it is new.
   * Throws SIGNATURE_INVALID where it is not that of the key for this peer on this chain; the peer has no claim then.
   */
  take(peer: PeerName, claim: MinerClaim | undefined): void {
    const known = this.#claims.get(peer)
    if (claim !== undefined && known !== undefined && isSame(claim, known)) return
    this.#claims.delete(peer)
    if (claim === undefined) return
    const isProven = verifyHash(claimHash(this.#chainId, peer), claim.signature, claim.minerKey)
    check(isProven, 'SIGNATURE_INVALID', 'the miner key has not signed this claim for this peer')
    this.#claims.set(peer, claim)
  }

  /** Whether this peer runs the miner with this key. */
  isMiner(peer: PeerName, minerKey: Uint8Array): boolean {
    const claim = this.#claims.get(peer)
    return claim !== undefined && equalBytes(claim.minerKey, minerKey)
  }

  forget(peer: PeerName): void {
    this.#claims.delete(peer)
  }
}

const isSame = (a: MinerClaim, b: MinerClaim): boolean =>
  equalBytes(a.minerKey, b.minerKey) && equalBytes(a.signature, b.signature)
