/** The engine with its fastest kernels. */
import { createFastHash, createKernels, type KernelName } from '@nacre/engine'
import { type Job, type Subject, Unsupported } from '../jobs.ts'
import { type ProofName, verification } from '../pearl/proofs.ts'
import { timeRuns } from '../timing.ts'
import { hashing } from './hashing.ts'
import { nacreGemm } from './nacre-gemm.ts'
import { nacreLottery } from './nacre-lottery.ts'
import { nacreTokens } from './nacre-tokens.ts'
import { nacreUnits } from './nacre-units.ts'

export async function create(only?: KernelName, wide = false): Promise<Subject> {
  const hash = await createFastHash()
  const kernels = await createKernels(only, wide)
  const gemm = nacreGemm(kernels)
  const lottery = nacreLottery(kernels, hash)
  const tokens = nacreTokens(kernels, hash)
  const hashes = hashing(hash)
  const proofs = new Map<ProofName, ReturnType<typeof verification>>()
  let units: ReturnType<typeof nacreUnits> | undefined
  const fallback = kernels.fallbackReason === undefined ? '' : ` (${kernels.fallbackReason})`
  return {
    version: `${kernels.name} kernels${fallback}`,
    measure: async (job: Job, budgetMs) => {
      switch (job.kind) {
        case 'gemm':
          return gemm(job, budgetMs)
        case 'lottery':
          return lottery(job, budgetMs)
        case 'unit':
          units ??= nacreUnits(kernels, hash)
          return (await units)(job, budgetMs)
        case 'tokens':
          return tokens(job, budgetMs)
        case 'pearl': {
          if (only !== undefined) throw new Unsupported('verification has nothing to do with kernels')
          proofs.set(job.proof, proofs.get(job.proof) ?? verification(job.proof))
          return timeRuns(proofs.get(job.proof)!, budgetMs)
        }
        case 'hash':
          if (only === 'scalar') throw new Unsupported('hashing has nothing to do with kernels')
          return hashes(job, budgetMs)
      }
    },
  }
}
