/** Options of `nacre node` that contradict each other or make no sense: refused before anything runs, with what to do instead. */
import { afterEach, expect, test } from 'vitest'
import { nodeCommand } from '../src/commands/node.ts'

const node = (...options: string[]): Promise<void> => nodeCommand(['--data', '/nowhere/at/all', ...options])

test.each<[string, string[], string]>([
  ['an ask of a verifier', ['--role', 'verifier', '--ask', '5'], '--ask is for miners, not for --role verifier'],
  ['a capacity without a price', ['--role', 'miner', '--capacity', '5'], '--capacity goes with --ask, the price'],
  ['a node without a key', ['--register'], '--register is for miners and verifiers'],
  [
    'coins without a registration',
    ['--role', 'miner', '--faucet'],
    '--faucet goes with --register, on a network that has a faucet; devnet has one',
  ],
  [
    'coins where there is no faucet',
    ['--role', 'miner', '--faucet', '--register', '--preset', 'nacre'],
    '--faucet goes with --register, on a network that has a faucet; nacre has none',
  ],
  [
    'coming and going',
    ['--role', 'miner', '--register', '--unregister'],
    '--unregister is for a miner or verifier, without --register',
  ],
  [
    'a price of nothing',
    ['--role', 'miner', '--ask', '0'],
    '--ask is a whole number from 1 to 18446744073709551615, not "0"',
  ],
  [
    'a price with a fraction',
    ['--role', 'miner', '--ask', '1.5'],
    '--ask is a whole number from 1 to 18446744073709551615, not "1.5"',
  ],
  [
    'a price that no entry holds',
    ['--role', 'miner', '--ask', '18446744073709551616'],
    '--ask is a whole number from 1 to 18446744073709551615, not "18446744073709551616"',
  ],
  [
    'a negative capacity',
    ['--role', 'miner', '--ask', '5', '--capacity=-1'],
    '--capacity is a whole number from 1 to 18446744073709551615, not "-1"',
  ],
])('%s is a usage error', async (_name, options, message) => {
  await expect(node(...options)).rejects.toMatchObject({ name: 'CliError', exitCode: 2, message })
})

test.each<[string, string]>([
  ['yes', 'NACRE_REGISTER is 1 or 0, not "yes"'],
  // On: the switch itself is understood, and then a boot node has nothing to register.
  ['1', '--register is for miners and verifiers'],
])('NACRE_REGISTER=%s', async (value, message) => {
  process.env.NACRE_REGISTER = value
  await expect(node('--env')).rejects.toMatchObject({ exitCode: 2, message })
})
afterEach(() => {
  delete process.env.NACRE_REGISTER
})
