import type { AccountAgent, Evidence } from '@nacre/node'
import { bytesToHex, headerCodec, isBarred } from '@nacre/protocol'

/** Puts evidence of equivocation on the chain (BLK-3): anybody may, and whoever has a key and the fee does. */
export function reportEquivocation(agent: AccountAgent, evidence: Evidence): void {
  const [evidenceA, evidenceB] = evidence.map((header) => headerCodec.encode(header)) as [Uint8Array, Uint8Array]
  const { minerKey } = evidence[0]
  agent.want({
    key: `equivocation/${bytesToHex(minerKey)}`,
    body: { kind: 'equivocation', evidenceA, evidenceB },
    isOver: (reader) => isBarred(reader, minerKey),
  })
}
