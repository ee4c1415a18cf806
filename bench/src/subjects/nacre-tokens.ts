/** Tokens of the engine, without lottery and commitment. */
import { createUnitEngine, type UnitEngine } from '@nacre/engine'
import type { KeyedHash, Model } from '@nacre/protocol'
import type { KernelFactory } from '../../../packages/engine/src/kernels/types.ts'
import { DECODED_TOKENS, type Measured, type TokenModel, type TokensJob, Unsupported } from '../jobs.ts'
import { elapsed } from '../timing.ts'
import { devnetModel, task } from './devnet.ts'

/** Tokens of a prompt, all known before the first product. */
const PROMPT = 64

export function nacreTokens(
  kernels: KernelFactory,
  hash: KeyedHash,
): (job: TokensJob, budgetMs: number) => Promise<Measured> {
  const engines = new Map<TokenModel, Promise<UnitEngine>>()
  const load: Record<TokenModel, () => Promise<Model>> = {
    devnet: () => devnetModel(hash),
    checkpoint: async () => {
      throw new Unsupported('the engine reads no llama2.c checkpoints')
    },
  }
  const engineOf = (name: TokenModel): Promise<UnitEngine> => {
    const known = engines.get(name)
    if (known !== undefined) return known
    const engine = load[name]().then((model) => createUnitEngine({ model, kernels, hash }))
    engines.set(name, engine)
    return engine
  }
  return async ({ model, phase, threads }, budgetMs) => {
    if (threads !== 1) throw new Unsupported('the engine executes a unit on one thread')
    const engine = await engineOf(model)
    const [promptTokens, newTokens] = phase === 'prompt' ? [PROMPT, 1] : [1, DECODED_TOKENS]
    const generate = (): unknown => engine.generate(task(0, promptTokens, newTokens))
    const tokens = promptTokens + newTokens - 1
    generate()
    let spent = 0
    let runs = 0
    do {
      spent += elapsed(generate)
      runs++
    } while (spent < budgetMs)
    return { ms: spent / runs / tokens, runs }
  }
}
