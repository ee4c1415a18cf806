/** False verdicts on a network of real nodes (AUD-5): who copies or does not look is shown to be lying, by other verifiers' programs. */
import { AccountAgent, type ChainStore, type FullNode, type Want } from '@nacre/node'
import {
  accountKey,
  accountOf,
  bytesToHex,
  decodeTransaction,
  epochOf,
  equalBytes,
  type KeyPair,
  ROLE_VERIFIER,
  readAccount,
  readAuditedUnit,
  readAuditors,
  readRegistration,
  readVerdicts,
  readVerifiers,
} from '@nacre/protocol'
import { afterEach, expect, test } from 'vitest'
import type { LocalMember, LocalNetwork, MemberOptions } from '../../cli/test/local-network.ts'
import { faucet, heightOf, type MarketNet, marketNet, NCR } from '../../miner/test/market-net.ts'

let network: LocalNetwork
afterEach(() => network.stop())

const OVERRIDES = [
  'audits.mode=on',
  'audits.steps=4',
  'block.maturityBlocks=24',
  'bonds.unbondingBlocks=40',
  'jobs.auditWindowBlocks=6',
  'jobs.paidDrawPpm=0',
]
/** Registers, commits, reveals, audits like any other, and then says what costs nothing. */
class AlwaysValid extends AccountAgent {
  override want(want: Want): boolean {
    const { body } = want
    return super.want(
      body.kind === 'verdict'
        ? { ...want, body: { ...body, digests: body.digests.map(() => new Uint8Array(8)) } }
        : want,
    )
  }
}
/** Waits for another verdict on the unit, and gives the same. */
class Copying extends AccountAgent {
  readonly #node: FullNode
  constructor(node: FullNode, keys: KeyPair) {
    super(node, keys)
    this.#node = node
  }
  override want(want: Want): boolean {
    const { body } = want
    if (body.kind !== 'verdict') return super.want(want)
    const others = readVerdicts(this.#node.chain.reader, body.jobId)
    const copied = others.find(({ verifier }) => !equalBytes(verifier, this.keys.publicKey))
    return copied !== undefined && super.want({ ...want, body: { ...body, digests: copied.digests } })
  }
}

/** A market with a second verifier, both of which have a secret of the epoch that has begun. */
async function withVerifier(options: MemberOptions = {}): Promise<MarketNet & { readonly second: LocalMember }> {
  const net = await marketNet({ miners: 1, overrides: OVERRIDES })
  network = net.network
  const { plain } = net
  const second = network.add('second', 'verifier', { ...options, register: true })
  await network.startMember(second)
  await net.send(faucet, { kind: 'transfer', to: accountOf(second.keys.publicKey), grains: 100n * NCR })
  await net.run(() => readVerifiers(plain.node.chain.reader) === 2)
  const { params } = network.context
  await net.run(() => readAuditors(plain.node.chain.reader, epochOf(params, heightOf(plain))).length === 2)
  return { ...net, second }
}

const bondOf = ({ node }: LocalMember, { publicKey }: KeyPair): bigint =>
  readRegistration(node.chain.reader, ROLE_VERIFIER, publicKey)!.bond

/** Posts jobs until both verifiers have spoken about one. Returns it. */
async function bothSpeak({ post, job, run, plain }: MarketNet): Promise<Uint8Array> {
  const jobIds: Uint8Array[] = []
  const spoken = (): Uint8Array | undefined =>
    jobIds.find((id) => readVerdicts(plain.node.chain.reader, id).length === 2)
  for (let round = 0; round < 6 && spoken() === undefined; round++) {
    jobIds.push(await post(job()))
    const height = heightOf(plain)
    await run(() => spoken() !== undefined || heightOf(plain) >= height + 9)
  }
  expect(spoken()).toBeDefined()
  return spoken()!
}

interface Spent {
  readonly kind: string
  readonly height: number
}
/** Verdict proofs against a key, and what else its accuser sent. */
function sent({ node: { chain } }: LocalMember, publicKey: Uint8Array): Spent[] {
  const found: Spent[] = []
  for (let height = 1; height <= chain.tip.header.height; height++)
    for (const bytes of chain.block(chain.atHeight(height)!)!.body.transactions) {
      const { sender, body } = decodeTransaction(bytes)
      if (equalBytes(sender, publicKey)) found.push({ kind: body.kind, height })
    }
  return found
}

/** Runs until the unit has ended. Returns what its last block gave a key, besides what the key spent in it. */
async function paidFor(net: MarketNet, jobId: Uint8Array): Promise<(keys: KeyPair) => bigint> {
  const { plain, run } = net
  const { chain } = plain.node
  await run(() => (readAuditedUnit(chain.reader, jobId)?.endHeight ?? 0) > 0)
  const { endHeight } = readAuditedUnit(chain.reader, jobId)!
  await run(() => heightOf(plain) >= endHeight)
  const changes = chain.changes(chain.atHeight(endHeight)!)
  return ({ publicKey }) => {
    const account = accountOf(publicKey)
    const change = changes.find(({ key }) => key === accountKey(account))
    const balance = (bytes: Uint8Array | undefined): bigint => readAccount({ get: () => bytes }, account).balance
    const spent = sent(plain, publicKey).filter(({ height }) => height === endHeight)
    expect(spent.map(({ kind }) => kind)).not.toContain('accusation')
    const fees = BigInt(spent.length) * network.context.params.fees.minTransactionGrains
    return balance(change?.after) - balance(change?.before) + fees
  }
}

test.each([
  ['that always says right', (node: FullNode, keys: KeyPair) => new AlwaysValid(node, keys)],
  ['that copies', (node: FullNode, keys: KeyPair) => new Copying(node, keys)],
])('a verifier %s loses half of its bond and its pay, the honest one loses nothing', async (_, agent) => {
  const net = await withVerifier({ agent })
  const { plain, verifier, second, run } = net
  const { params } = network.context
  const jobId = await bothSpeak(net)
  const full = params.bonds.verifierGrains
  await run(() => bondOf(plain, second.keys) < full)
  expect(bondOf(plain, second.keys)).toBe(full - (full * BigInt(params.audits.falseVerdictPpm)) / 1_000_000n)
  expect(bondOf(plain, verifier.keys)).toBe(full)
  const proofs = sent(plain, verifier.keys.publicKey)
  const accused = proofs.find(({ kind }) => kind === 'accusation')!
  const proven = proofs.find(({ kind }) => kind === 'verdictProof')!
  expect(proven.height - accused.height).toBeGreaterThanOrEqual(params.audits.accusationDelayBlocks)
  // The liar looks as well: whatever it accuses the honest one of comes to nothing, since no opening shows it.
  expect(sent(plain, second.keys.publicKey).map(({ kind }) => kind)).not.toContain('verdictProof')

  const paid = await paidFor(net, jobId)
  expect(paid(verifier.keys)).toBeGreaterThan(0n)
  expect(paid(second.keys)).toBe(0n)
  expect(bondOf(plain, verifier.keys)).toBe(full)
})

test('two honest verifiers check each other and accuse nobody', async () => {
  const net = await withVerifier()
  const { plain, verifier, second } = net
  const jobId = await bothSpeak(net)
  const paid = await paidFor(net, jobId)
  expect(paid(verifier.keys)).toBeGreaterThan(0n)
  expect(paid(second.keys)).toBe(paid(verifier.keys))
  for (const { keys } of [verifier, second]) {
    expect(bondOf(plain, keys)).toBe(network.context.params.bonds.verifierGrains)
    expect(sent(plain, keys.publicKey).map(({ kind }) => kind)).not.toContain('accusation')
  }
})

test('a verifier that restarts between its accusation and its proof still proves it', async () => {
  const net = await withVerifier({ agent: (node, keys) => new AlwaysValid(node, keys) })
  const { plain, verifier, second, run } = net
  await bothSpeak(net)
  await run(() => sent(plain, verifier.keys.publicKey).some(({ kind }) => kind === 'accusation'))
  expect(sent(plain, verifier.keys.publicKey).map(({ kind }) => kind)).not.toContain('verdictProof')
  const { keys } = verifier
  const store: ChainStore = verifier.store
  const close = store.close
  store.close = () => undefined
  await network.stopMember(verifier)
  store.close = close
  // A copy that the disk has spoilt is dropped, not fatal.
  const broken = `verifier/${bytesToHex(keys.publicKey)}/proof/fraud/${'00'.repeat(32)}`
  store.setNote(broken, new Uint8Array(80))
  const again = network.add('verifier', 'verifier', { store, keys, register: true })
  expect(store.notes(broken)).toEqual([])
  await network.startMember(again)
  await run(() => bondOf(plain, second.keys) < network.context.params.bonds.verifierGrains)
  expect(sent(plain, keys.publicKey).filter(({ kind }) => kind === 'accusation')).toHaveLength(1)
})
