import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { isSilence, messageOf } from '@nacre/node/rpc-client'
import { CliError } from '../errors.ts'
import { workPage } from '../monitor/page.ts'
import { readWork } from '../monitor/read.ts'
import { DEFAULT_RPC, parsed, rpcFlag, withHint } from '../options.ts'
import { interruptible } from '../signals.ts'

const USAGE = `Does somebody mine faster than what is declared explains?

  npm run nacre -- monitor [options]

Work rate with its interval, registered capacity, reward against what clients pay, concentration of
wins, and alarms with their evidence, as a node sees them.

  --rpc URL       the HTTP RPC of a node (default ${DEFAULT_RPC})
  --watch         go on, with a page for each new block, until Ctrl-C
  --json          print the node's answer as JSON, one line each

Alarms:
  WORK_JUMP               work more than doubled within 512 blocks
  WORK_OUTGROWS_CAPACITY  keys that won before do more work than new asks explain
  KEY_OUTWORKS_DECLARED   a key wins more than twice what its asks declare
  REWARD_ABOVE_COST       mining pays four times what clients pay for the same work
  REWARD_BELOW_COST       mining pays a quarter of what clients pay for it

docs/monitor.md says how they are tested, how often they are false, and what they cannot see.

Exit codes: 0 shown, 1 no answer, 2 wrong usage.
`

const WATCH_MS = 2_000
/** Clears the terminal and puts the cursor to its top left corner. */
const CLEAR = '\x1b[H\x1b[2J'

/** `nacre monitor`. */
export async function monitorCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parsed(
    () =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          rpc: { type: 'string', default: DEFAULT_RPC },
          watch: { type: 'boolean', default: false },
          json: { type: 'boolean', default: false },
          help: { type: 'boolean', default: false },
        },
      }),
    USAGE,
  )
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  if (positionals.length > 0) throw new CliError(`there is no "monitor ${positionals.join(' ')}"\n\n${USAGE}`, 2)
  const rpc = rpcFlag(values.rpc)
  if (values.watch) await interruptible((signal) => watch(rpc, values.json, signal))
  else await show(rpc, values.json)
}

/** Prints the report, unless it is of the height that was shown last. Returns its height. */
async function show(rpc: string, json: boolean, shown?: number, interrupt?: AbortSignal): Promise<number> {
  const { answer, page } = await readWork(rpc, interrupt).catch(withHint)
  if (page.height === shown) return page.height
  const clear = shown !== undefined && process.stdout.isTTY ? CLEAR : ''
  const between = shown === undefined || clear !== '' ? '' : '\n'
  process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${clear}${between}${workPage(rpc, page)}`)
  return page.height
}

/** A node that does not answer once it has is asked again. */
async function watch(rpc: string, json: boolean, signal: AbortSignal): Promise<void> {
  let shown: number | undefined
  let isSilent = false
  while (!signal.aborted) {
    try {
      shown = await show(rpc, json, shown, signal)
      isSilent = false
    } catch (error) {
      if (signal.aborted) return
      if (shown === undefined || !isSilence(error)) throw error
      if (!isSilent) process.stderr.write(`nacre: ${messageOf(error)}; asking again\n`)
      isSilent = true
    }
    await delay(WATCH_MS, undefined, { signal }).catch(() => undefined)
  }
}
