/** Plays one network and reads its chain. */
import { readJob } from '@nacre/node/rpc-client'
import { GRAINS_PER_NCR, windowBlocks } from '@nacre/protocol'
import type { UsefulnessCase } from './cases.ts'
import { paramsOf } from './cases.ts'
import type { Costs } from './costs.ts'
import { Client, isOwnPrompt, keysOf, ownPrompt, questions, WAITING_BLOCKS } from './demand.ts'
import { type Figures, figuresOf } from './figures.ts'
import { startNetwork } from './network.ts'
import type { Size } from './size.ts'

const CLIENT_GRAINS: bigint = 250_000n * GRAINS_PER_NCR

export interface PlayOptions {
  readonly play: UsefulnessCase
  readonly size: Size
  readonly costs: Costs
  readonly seed: string
  readonly signal: AbortSignal
}

/** Throws CliError where the network stands still, and when `signal` aborts. */
export async function playCase({ play, size, costs, seed, signal }: PlayOptions): Promise<Figures> {
  const params = paramsOf(play)
  const [clientKeys, ownKeys] = [keysOf(seed, 'client'), keysOf(seed, 'own')]
  const network = await startNetwork({
    ...{ play, costs, seed, signal, isOwnJob: isOwnPrompt(params) },
    grants: (address) =>
      [clientKeys, ownKeys].map((keys) => ({ address: address(keys.publicKey), grains: CLIENT_GRAINS })),
  })
  try {
    const { boot, miners, advance } = network
    const keyOf = (name: string): string => miners.find((miner) => miner.name === name)!.keyHex
    const clients = new Client(boot, clientKeys, questions(params), keyOf('honest'))
    const own = new Client(boot, ownKeys, () => ownPrompt(params), keyOf('self-dealing'))
    // Nobody need pay itself on the chain where miners choose what they multiply.
    const ownJobs = params.bindings.provenance === 'open' ? 0 : size.ownJobsPerBlock
    const run = async (blocks: number): Promise<void> => {
      for (let i = 0; i < blocks; i++) {
        for (let job = 0; job < size.jobsPerBlock; job++) await clients.post()
        for (let job = 0; job < ownJobs; job++) await own.post()
        await advance(1)
      }
    }
    await run(size.warmUpBlocks)
    const [firstJob, firstOwn] = [clients.jobs.length, own.jobs.length]
    const before = network.snapshot()
    await run(size.blocks)
    const after = network.snapshot()
    await advance(WAITING_BLOCKS + windowBlocks(params) + params.jobs.auditWindowBlocks + 3)
    const views = async (ids: readonly string[]) => {
      const all = []
      for (const id of ids) all.push(await readJob(network.rpc, id))
      return all
    }
    return await figuresOf({
      ...{ play, seed, network, before, after },
      jobs: await views(clients.jobs.slice(firstJob)),
      ownJobs: await views(own.jobs.slice(firstOwn)),
    })
  } finally {
    await network.stop()
  }
}
