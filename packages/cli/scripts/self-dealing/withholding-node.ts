/** `nacre node` whose miner hands in no receipt unless it makes a block; the same options. */
import { nodeCommand } from '../../src/commands/node.ts'
import { runMain } from '../../src/errors.ts'
import { WithholdingAgent } from './withholding-agent.ts'

// The first argument is the command's name.
await runMain(() =>
  nodeCommand(process.argv.slice(3), { createAgent: (node, keys) => new WithholdingAgent(node, keys) }),
)
