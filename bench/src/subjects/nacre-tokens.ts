/** Tokens of the engine, without lottery and commitment. On two threads, two engines share one memory, each with a unit of its own. */
import { createUnitEngine } from '@nacre/engine'
import type { KeyedHash, Model } from '@nacre/protocol'
import type { KernelFactory } from '../../../packages/engine/src/kernels/types.ts'
import { engineLayout } from '../../../packages/engine/src/run/layout.ts'
import { DECODED_TOKENS, jobKey, type Measured, type TokenModel, type TokensJob, Unsupported } from '../jobs.ts'
import { timeRuns } from '../timing.ts'
import { checkpointModel } from './checkpoint-model.ts'
import { devnetModel, task } from './devnet.ts'
import { Partner } from './partner.ts'

/** Tokens of a prompt, all known before the first product. */
const PROMPT_TOKENS = 64

/** Generates once on every thread. */
type Generate = () => void

export function tokenModel(name: TokenModel, hash: KeyedHash): Promise<Model> {
  return name === 'devnet' ? devnetModel(hash) : checkpointModel(hash)
}

export function nacreTokens(
  kernels: KernelFactory,
  hash: KeyedHash,
): (job: TokensJob, budgetMs: number) => Promise<Measured> {
  const prepared = new Map<string, Promise<Generate>>()

  const prepare = async ({ model: name, phase, threads }: TokensJob): Promise<Generate> => {
    const [promptTokens, newTokens] = tokensOf(phase)
    const model = await tokenModel(name, hash)
    const unit = task(0, promptTokens, newTokens)
    if (threads === 1) {
      const engine = createUnitEngine({ model, kernels, hash })
      return () => {
        engine.generate(unit)
      }
    }
    if (threads !== 2) throw new Unsupported('one thread or two')
    const memory = kernels.memory(engineLayout(model.config, undefined, threads, kernels).bytes, true)
    const engine = createUnitEngine({ model, kernels, hash, shared: { memory, thread: 0, threads } })
    const given = { kernels: kernels.name, memory, model: name, promptTokens, newTokens }
    const partner = await Partner.start({ kind: 'tokens', ...given })
    return () => partner.together(() => engine.generate(unit))
  }

  return async (job, budgetMs) => {
    const key = jobKey(job)
    const generate = prepared.get(key) ?? prepare(job)
    prepared.set(key, generate)
    const [promptTokens, newTokens] = tokensOf(job.phase)
    const measured = timeRuns(await generate, budgetMs)
    return { ...measured, ms: measured.ms / (job.threads * (promptTokens + newTokens - 1)) }
  }
}

/** Tokens known beforehand, and generated ones. */
function tokensOf(phase: TokensJob['phase']): [number, number] {
  return phase === 'prompt' ? [PROMPT_TOKENS, 1] : [1, DECODED_TOKENS]
}
