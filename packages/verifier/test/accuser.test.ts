/** Proofs under way: what each is about (AUD-4, AUD-6). */
import { type AccountAgent, createSqliteStore, type FullNode, seededRandom, silentLogger } from '@nacre/node'
import { bytesToHex, readAuditedUnit } from '@nacre/protocol'
import { expect, test } from 'vitest'
import { AUDIT_PARAMS, audited, FORGED, forged } from '../../protocol/test/audit-fixture.ts'
import { VERIFIER } from '../../protocol/test/market-fixture.ts'
import { Accuser } from '../src/accuser.ts'

test('a proof about another receipt of the same unit is dropped: it proves nothing about this one', () => {
  const ledger = audited()
  const { jobId, kept } = ledger.deliver(forged)
  const unit = readAuditedUnit(ledger, jobId)!
  const job = bytesToHex(jobId)
  const wanted: string[] = []
  const node = {
    ...{ store: createSqliteStore(':memory:'), random: seededRandom('accuser'), log: silentLogger },
    ...{
      context: { params: AUDIT_PARAMS },
      chain: { reader: ledger, tip: { header: { height: unit.receiptHeight } } },
    },
  } as unknown as FullNode
  const agent = { keys: VERIFIER, want: ({ key }: { key: string }) => wanted.push(key) } as unknown as AccountAgent
  const accuser = new Accuser(node, agent)
  // Of the branch that was left: what it answers for there is another root.
  accuser.accuse(job, { ...unit, traceRoot: new Uint8Array(32).fill(1) }, kept.open(FORGED))
  expect(accuser.has(job)).toBe(false)
  expect(wanted).toEqual([])
  accuser.accuse(job, unit, kept.open(FORGED))
  expect(accuser.has(job)).toBe(true)
  expect(wanted).toEqual([`accusation/fraud/${job}`])
})
