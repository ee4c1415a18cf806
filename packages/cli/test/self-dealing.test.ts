/** The smoke test of `npm run self-dealing`: one small network, and accounts that agree with the chain to the grain. */
import { mintableOf, partOf } from '@nacre/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accountOfJob, accountsOf, type JobAccount, sumOf } from '../scripts/self-dealing/accounts.ts'
import { QUICK } from '../scripts/self-dealing/cases.ts'
import { type Played, playCase } from '../scripts/self-dealing/play.ts'
import { rowOf } from '../scripts/self-dealing/rows.ts'
import { startVirtualStage } from '../scripts/self-dealing/virtual-stage.ts'

const [play] = QUICK
const abort = new AbortController()
let played: Played
let accounts: readonly JobAccount[]

beforeAll(async () => {
  const options = { start: startVirtualStage, seed: 'smoke', isQuick: true, signal: abort.signal }
  played = await playCase({ play: play!, ...options })
  accounts = accountsOf(played)
}, 240_000)
afterAll(() => abort.abort())

describe('fake jobs on a small network', () => {
  it('are all delivered, and what they cost is burned, or goes to verifiers and miners, or comes back', () => {
    expect(accounts.map(({ end }) => end)).toEqual(Array(play!.jobs).fill('settled'))
    for (const each of accounts) {
      const { feeGrains, chargedGrains, burnedGrains, verifierGrains, minerGrains, returnedGrains } = each
      expect(chargedGrains).toBe(burnedGrains + verifierGrains + minerGrains)
      expect(feeGrains).toBe(chargedGrains + returnedGrains)
      expect(verifierGrains).toBe(partOf(chargedGrains - burnedGrains, played.params.fees.verifierPpm))
      expect(burnedGrains).toBeGreaterThan(0n)
    }
  })

  it('burn, and pay verifiers and whoever delivers, exactly what the client lost', () => {
    for (const owned of play!.owned) {
      const row = rowOf(play!, played, accounts, owned)
      const parts = [row.burnedGrains, row.verifierGrains, row.ownGrains, row.othersGrains].map(BigInt)
      expect(parts.reduce((sum, each) => sum + each, 0n)).toBe(BigInt(row.chargedGrains))
      expect(BigInt(row.chargedGrains) + BigInt(row.transactionFeeGrains)).toBe(
        played.client.beforeGrains - played.client.afterGrains,
      )
    }
  })

  it('lose the burn and the verifiers part even for whoever owns every miner, less premiums within the cap', () => {
    const row = rowOf(play!, played, accounts, play!.miners)
    const burnedAndPaid = BigInt(row.burnedGrains) + BigInt(row.verifierGrains)
    const mintable = sumOf(accounts, ({ promptBurnGrains }) => mintableOf(played.params, promptBurnGrains))
    expect(row.othersGrains).toBe('0')
    expect(BigInt(row.netGrains)).toBe(BigInt(row.premiumGrains) - burnedAndPaid)
    expect(BigInt(row.premiumGrains)).toBeLessThanOrEqual(mintable)
    expect(row.net!).toBeLessThan(0)
  })

  it.each([
    [
      "the client's balance",
      (was: Played) => ({ ...was, client: { ...was.client, afterGrains: was.client.afterGrains + 1n } }),
    ],
    ['burned grains', (was: Played) => ({ ...was, burnedGrains: was.burnedGrains - 1n })],
    ['the verifier pool', (was: Played) => ({ ...was, verifierPoolGrains: was.verifierPoolGrains + 1n })],
    ['burned grains', (was: Played) => ({ ...was, jobs: was.jobs.slice(1), client: without(was) })],
  ] as const)('are refused where %s is one grain off', (what, change) => {
    expect(() => accountsOf(change(played))).toThrow(what)
  })
})

/** The client as if it had not paid for the first job. */
function without({ client, jobs }: Played): Played['client'] {
  const { chargedGrains } = accountOfJob(jobs[0]!)
  return { ...client, afterGrains: client.afterGrains + chargedGrains }
}

describe('the account of one job', () => {
  const id = '00'.repeat(32)
  it('charges a lapsed job with the burn of its prompt, and nothing else', () => {
    const view = { id, status: 'returned', heldGrains: '900', promptBurnGrains: '100' } as const
    expect(accountOfJob(view)).toMatchObject({
      ...{ end: 'lapsed', feeGrains: 1000n, chargedGrains: 100n, burnedGrains: 100n },
      ...{ returnedGrains: 900n, minerGrains: 0n, verifierGrains: 0n },
    })
  })

  it('charges nothing for a job that nobody was assigned', () => {
    const view = { id, status: 'returned', heldGrains: '900' } as const
    expect(accountOfJob(view)).toMatchObject({ end: 'unassigned', chargedGrains: 0n, returnedGrains: 900n })
  })

  it('does not count a job that has not ended', () => {
    expect(() => accountOfJob({ id, status: 'delivered' })).toThrow('has not ended')
  })
})
