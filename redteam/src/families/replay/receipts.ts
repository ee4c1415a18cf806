/** Deliveries shown twice: by the same miner, by another one, on another branch, after they were paid. */
import { accountOf, bytesToHex, checkHeaderInContext, type TransactionBody } from '@nacre/protocol'
import { ALICE, BOB, funded, transactionOf, transfer } from '../../../../packages/protocol/test/ledger-fixture.ts'
import { minerKeys } from '../../../../packages/protocol/test/market-fixture.ts'
import type { StoppedAttack } from '../../attack.ts'
import { assigned } from '../../fixtures/assigned-job.ts'
import { preview, sentInstead } from '../../fixtures/audited-ledger.ts'
import { firstBlock } from '../../fixtures/first-block.ts'
import { onProtocol, outcomeOf, protocolFile } from '../../fixtures/outcome.ts'

const RECEIPTS = protocolFile('market/receipts.ts')
const APPLY = protocolFile('ledger/apply-transaction.ts')

const payment = (): TransactionBody => transfer(accountOf(BOB.publicKey), 5n)

export const receipts: readonly StoppedAttack[] = [
  onProtocol({
    id: 'replay/payment-again',
    actor: 'outsider',
    targets: 'P3',
    story: 'The bytes of a payment that is in the chain are sent once more by whoever received it.',
    rule: 'ECO-1',
    code: 'TX_NONCE_LOW',
    check: { file: APPLY, from: 'nonce >= before.nonce', to: 'true' },
    run: () => {
      const ledger = funded()
      const paid = transactionOf(ALICE, 0n, payment())
      ledger.block([paid])
      return outcomeOf(
        () => ledger.preview([transactionOf(ALICE, 1n, payment())]),
        () => ledger.preview([paid]),
      )
    },
  }),
  onProtocol({
    id: 'replay/coins-spent-twice',
    actor: 'client',
    targets: 'P3',
    story: 'Two payments in one block each move the whole balance.',
    rule: 'ECO-1',
    code: 'TX_INSUFFICIENT_FUNDS',
    check: { file: APPLY, from: 'before.balance >= cost', to: 'true' },
    run: () => {
      const ledger = funded()
      const all = transfer(accountOf(BOB.publicKey), ledger.balance(ALICE) - 1000n)
      const [first, second] = [0n, 1n].map((nonce) => transactionOf(ALICE, nonce, all)) as [Uint8Array, Uint8Array]
      return outcomeOf(
        () => ledger.preview([first]),
        () => ledger.preview([first, second]),
      )
    },
  }),
  onProtocol({
    id: 'replay/old-block',
    actor: 'peer',
    targets: 'P9',
    story: 'A block of the chain is shown again as the one after it.',
    rule: 'BLK-1',
    code: 'BLOCK_HEIGHT',
    check: { file: protocolFile('block/validate-header.ts'), from: 'header.height === parent.height + 1', to: 'true' },
    run: async () => {
      const one = await firstBlock()
      const { header } = one.block
      const later = { recent: [one.genesis.header, header], first: header }
      return outcomeOf(
        () => checkHeaderInContext(one.context, header, one.ancestry, one.NOW_MS),
        () => checkHeaderInContext(one.context, header, later, one.NOW_MS),
      )
    },
  }),
  onProtocol({
    id: 'replay/receipt-again',
    actor: 'miner',
    targets: 'P2',
    story: 'A miner delivers its unit a second time, in a new transaction.',
    rule: 'ECO-4',
    code: 'RECEIPT_DOUBLE',
    check: {
      file: RECEIPTS,
      from: "check(job.delivery === undefined, 'RECEIPT_DOUBLE'",
      to: "check(true, 'RECEIPT_DOUBLE'",
    },
    run: () => {
      const { ledger, jobId, ranks } = assigned()
      const receipt = [ranks[0], ledger.receiptBody(jobId)] as const
      return outcomeOf(
        () => preview(ledger, receipt),
        () => preview(ledger, receipt, receipt),
      )
    },
  }),
  onProtocol({
    id: 'replay/same-job-by-two-miners',
    actor: 'coalition',
    targets: 'P2',
    story:
      'Rank 0 has delivered; when the window of rank 1 begins it delivers the same job, which it has executed too.',
    rule: 'ECO-4',
    code: 'RECEIPT_DOUBLE',
    check: {
      file: RECEIPTS,
      from: "check(job.delivery === undefined, 'RECEIPT_DOUBLE'",
      to: "check(true, 'RECEIPT_DOUBLE'",
    },
    run: () => {
      const fallback = (isDelivered: boolean): void => {
        const { ledger, jobId, ranks } = assigned()
        const body = ledger.receiptBody(jobId)
        ledger.block()
        ledger.block(isDelivered ? [ledger.tx(ranks[0], body)] : [])
        preview(ledger, [ranks[1], body])
      }
      return outcomeOf(
        () => fallback(false),
        () => fallback(true),
      )
    },
  }),
  onProtocol({
    id: 'replay/old-receipt',
    actor: 'miner',
    targets: 'P2',
    story: 'A receipt is sent again after its job has settled and been paid.',
    rule: 'ECO-4',
    code: 'RECEIPT_JOB',
    check: { file: protocolFile('market/settle.ts'), from: '  deleteJobRecord(draft, jobId)\n', to: '' },
    run: () => {
      const { ledger, jobId, ranks } = assigned()
      const body = ledger.receiptBody(jobId)
      ledger.block([ledger.tx(ranks[0], body)])
      ledger.blocks(ledger.params.jobs.auditWindowBlocks - 1)
      const next = ledger.post({ expiryHeight: ledger.height + 20 })
      ledger.block()
      return sentInstead(ledger, [ledger.rank(next, 0), ledger.receiptBody(next)], [ranks[0], body])
    },
  }),
  onProtocol({
    id: 'replay/receipt-of-a-stranger',
    actor: 'outsider',
    targets: 'P2',
    story: 'Somebody without a rank copies the answer of a receipt that waits, and delivers it first.',
    rule: 'ECO-4',
    code: 'RECEIPT_MINER',
    check: { file: RECEIPTS, from: 'rank >= 0 && !isBarred(draft, sender)', to: 'true' },
    run: () => {
      const { ledger, jobId, ranks } = assigned(3)
      const body = ledger.receiptBody(jobId)
      const known = ranks.map(({ publicKey }) => bytesToHex(publicKey))
      const stranger = [0, 1, 2].map(minerKeys).find(({ publicKey }) => !known.includes(bytesToHex(publicKey)))!
      return sentInstead(ledger, [ranks[0], body], [stranger, body])
    },
  }),
  onProtocol({
    id: 'replay/receipt-before-its-window',
    actor: 'miner',
    targets: 'P2',
    story: 'The fallback copies the answer of a receipt that waits, and delivers it while the window is rank 0’s.',
    rule: 'ECO-4',
    code: 'RECEIPT_WINDOW',
    check: { file: RECEIPTS, from: 'rank <= open', to: 'true' },
    run: () => {
      const { ledger, jobId, ranks } = assigned()
      const body = ledger.receiptBody(jobId)
      return sentInstead(ledger, [ranks[0], body], [ranks[1], body])
    },
  }),
  onProtocol({
    id: 'replay/receipt-of-another-branch',
    actor: 'miner',
    targets: 'P2',
    story:
      'A unit that was executed for one branch is delivered on another, where the same job went to the same miner.',
    rule: 'ECO-4',
    code: 'RECEIPT_BRANCH',
    check: { file: RECEIPTS, from: ' || !equalBytes(unit.parentId, receipt.unitParentId)', to: '' },
    run: () => {
      const { ledger, jobId, ranks } = assigned()
      const own = ledger.receiptBody(jobId)
      const elsewhere = { ...own, unitParentId: new Uint8Array(32).fill(0xb2) }
      return sentInstead(ledger, [ranks[0], own], [ranks[0], elsewhere])
    },
  }),
  onProtocol({
    id: 'replay/registered-twice',
    actor: 'miner',
    targets: 'P3',
    story: 'A key registers again, so that two bonds are due to it and one is locked.',
    rule: 'ECO-1',
    code: 'TX_REGISTRATION',
    check: { file: APPLY, from: 'readRegistration(draft, role, publicKey) === undefined', to: 'true' },
    run: () => {
      const ledger = funded()
      const register = (nonce: bigint): Uint8Array => transactionOf(ALICE, nonce, { kind: 'minerRegister' })
      return outcomeOf(
        () => ledger.preview([register(0n)]),
        () => ledger.preview([register(0n), register(1n)]),
      )
    },
  }),
  onProtocol({
    id: 'replay/bond-returned-twice',
    actor: 'miner',
    targets: 'P3',
    story: 'A bond that is on its way back is taken out again.',
    rule: 'ECO-1',
    code: 'TX_REGISTRATION',
    check: { file: APPLY, from: 'registration.unbondingHeight === 0', to: 'true' },
    run: () => {
      const ledger = funded()
      ledger.block([transactionOf(ALICE, 0n, { kind: 'minerRegister' })])
      const unbond = (nonce: bigint): Uint8Array => transactionOf(ALICE, nonce, { kind: 'unbond', role: 0 })
      return outcomeOf(
        () => ledger.preview([unbond(1n)]),
        () => ledger.preview([unbond(1n), unbond(2n)]),
      )
    },
  }),
]
