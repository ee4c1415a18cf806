/** Local randomness as a port (NET-5): never used in consensus, only for jitter, sampling and identities. */
export interface Random {
  /** Uniform integer in [0, bound), bound in 1..2^32. */
  below(bound: number): number
  bytes(length: number): Uint8Array
}
