/** A stage in this process: full nodes, engine and RPC as everywhere, links in memory and a virtual clock. A seed gives the same chain again. */
import { type RpcServer, startRpc } from '@nacre/node'
import { readMarket } from '@nacre/node/rpc-client'
import { bytesToHex } from '@nacre/protocol'
import { bondGrant, fund } from '../../src/devnet/funding.ts'
import { addressOfKey } from '../../src/devnet/paid-network.ts'
import { CliError } from '../../src/errors.ts'
import { LocalNetwork, UNIT_MS } from '../../test/local-network.ts'
import { ownMiners, type Stage, type StageOptions } from './stage.ts'
import { WithholdingAgent } from './withholding-agent.ts'

/** Bootstrap units of all miners per block: their duty cycle follows. */
export const UNITS_PER_BLOCK = 10
/** Speed of the open lane, whatever is multiplied: a draw of random matrices takes as long as a unit. */
const OPEN_MACS_PER_MS = 300_000
/** Blocks until registrations and asks stand. */
const MAX_START_BLOCKS = 60

export async function startVirtualStage({ play, params, client, seed, signal }: StageOptions): Promise<Stage> {
  const network = new LocalNetwork({ seed, params, miners: 0, openMacsPerMs: OPEN_MACS_PER_MS })
  const plain = network.add('plain', 'plain')
  const verifier = network.add('verifier', 'verifier', { register: true })
  const dutyCycle = Math.min(1, (UNITS_PER_BLOCK * UNIT_MS) / (params.block.timeMs * play.miners))
  const miners = Array.from({ length: play.miners }, (_, i) => {
    const isOwn = i < ownMiners(play)
    const { ownCapacityMacs: capacityMacs, work } = play
    return network.add(`miner-${i}`, 'miner', {
      ...{ register: true, ask: isOwn ? play.asks.own : play.asks.others },
      dutyCycle: work === undefined ? dutyCycle : 1,
      ...(isOwn && capacityMacs !== undefined ? { capacityMacs } : {}),
      ...(work === undefined ? {} : { work: isOwn ? work.own : work.others }),
      ...(isOwn && play.isWithholding === true ? { agent: (node, keys) => new WithholdingAgent(node, keys) } : {}),
    })
  })
  await network.start()
  let rpc: RpcServer | undefined
  const stop = async (): Promise<void> => {
    await rpc?.stop()
    await network.stop()
  }
  const advance = (blocks: number): Promise<void> => network.advance(plain, blocks, signal)
  try {
    rpc = await startRpc({ node: plain.node, host: '127.0.0.1', port: 0, role: 'boot' })
    const { url } = rpc
    await advance(1)
    const bonds = [verifier, ...miners].map(({ keys }, i) =>
      bondGrant(params, i === 0 ? 'verifier' : 'miner', addressOfKey(params, keys.publicKey)),
    )
    const funds = { address: addressOfKey(params, client.keys.publicKey), grains: client.grains }
    await fund(url, params, [...bonds, funds])
    for (let blocks = 0; !(await areAllThere(url, play.miners)); blocks++) {
      if (blocks === MAX_START_BLOCKS) throw new CliError(`after ${blocks} blocks not every miner asks`)
      await advance(1)
    }
    return { params, rpc: url, minerKeys: miners.map(({ keys }) => bytesToHex(keys.publicKey)), advance, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function areAllThere(rpc: string, miners: number): Promise<boolean> {
  const { models } = await readMarket(rpc)
  return models.every(({ asks }) => asks === miners)
}
