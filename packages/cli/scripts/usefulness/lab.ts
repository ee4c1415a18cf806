/** What all networks of the demonstration share: the devnet's model, one engine, and the tools of those who cheat. */
import {
  createFastHash,
  createKernels,
  createUnitEngine,
  inlineWorkers,
  type KernelFactory,
  type UnitEngine,
} from '@nacre/engine'
import { engineOpenRunner, engineUnitRunner } from '@nacre/miner'
import { engineBlockWorkers } from '@nacre/node'
import { type ConsensusContext, type KeyedHash, type Params, TICKET_OPS } from '@nacre/protocol'
import { loadContext } from '../../src/network-model.ts'
import type { LocalEngine } from '../../test/local-network.ts'
import { RowDrawer } from './row-drawer.ts'

export interface Lab {
  readonly context: ConsensusContext
  readonly kernels: KernelFactory
  readonly hash: KeyedHash
  readonly engine: UnitEngine
  /** One engine for all members: what it computes depends on nothing but its input, and W' of a tip is made once. */
  readonly local: LocalEngine
  /** Draws over given rows: of all ticket operations, or of the first one only. */
  drawer(operations: 'all' | 'first'): RowDrawer
}

/** The kernels are those that pass their self-test here; results do not depend on them (MOD-6). */
export async function openLab(params: Params): Promise<Lab> {
  const [hash, kernels] = await Promise.all([createFastHash(), createKernels()])
  const context = await loadContext(params, hash)
  const { model, params: modelParams } = context.bootstrap
  const engineFor = (of: typeof model): UnitEngine =>
    createUnitEngine({ model: of, kernels, hash, lottery: modelParams })
  const engine = engineFor(model)
  const port = inlineWorkers([engine], hash, engineFor)
  const promptTokens = params.units.bootstrapPromptTokens
  return {
    ...{ context, kernels, hash, engine },
    local: {
      workers: engineBlockWorkers(context, port),
      runner: engineUnitRunner(context, port),
      openRunner: engineOpenRunner(context, port),
    },
    drawer: (operations) =>
      new RowDrawer({
        ...{ model, modelParams, kernels, hash, promptTokens },
        operations: operations === 'all' ? TICKET_OPS.length * model.config.nLayers : 1,
      }),
  }
}
