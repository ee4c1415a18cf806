/** Demand that nobody has, and supply that nobody put up. */
import {
  accountOf,
  equalBytes,
  jobFee,
  ROLE_MINER,
  readJob,
  readMarket,
  readRegistration,
  transactionIdOfBytes,
  unitMacs,
} from '@nacre/protocol'
import { keysOf, MODEL, MODEL_HEX, TEST_PARAMS, transfer } from '../../../../packages/protocol/test/ledger-fixture.ts'
import {
  askBody,
  CLIENT,
  jobBody,
  market,
  minerKeys,
  OTHER_CLIENT,
  PRICE,
  params,
} from '../../../../packages/protocol/test/market-fixture.ts'
import type { Attack, Outcome } from '../../attack.ts'
import { refusal } from '../../fixtures/ledger.ts'
import { unchecked, uncheckedIn } from '../../fixtures/mutations.ts'

type JobChange = Parameters<typeof jobBody>[0]

/** A client posts a job that is refused, then one that is not. */
const postsJob =
  (attack: JobChange, honest: JobChange = {}, lines: readonly string[] = []) =>
  async (): Promise<Outcome> => {
    const ledger = market({ params: params(...lines) })
    const post = (change: JobChange) => refusal(ledger, [ledger.tx(CLIENT, jobBody(change))])
    return { attack: await post(attack), honest: await post(honest) }
  }

const LONGEST = Array.from({ length: 32 }, (_, i) => i)
const BOOK = TEST_PARAMS.jobs.maxOpenPerModel

export const demand: readonly Attack[] = [
  {
    id: 'usefulness/job-for-a-private-model',
    actor: 'coalition',
    targets: 'B2',
    story: 'Orders the execution of a model of its own from itself, one that costs it next to nothing to run.',
    on: 'protocol',
    rule: 'JOB-1',
    code: 'JOB_MODEL',
    check: uncheckedIn(
      'protocol',
      'market/post-job.ts',
      'const model = rules.models.get(bytesToHex(job.modelId))',
      'const model = [...rules.models.values()][0]',
    ),
    run: postsJob({ modelId: new Uint8Array(32).fill(0x70) }),
  },
  {
    id: 'usefulness/names-its-own-miner',
    actor: 'coalition',
    targets: 'B1',
    story: 'Client and miner are one: the job names its own miner, so that no other can be drawn.',
    on: 'protocol',
    rule: 'JOB-1',
    code: 'JOB_MINER',
    check: unchecked('market/post-job.ts', 'names === (minerKey !== undefined)'),
    run: postsJob({ minerKey: minerKeys(0).publicKey }),
  },
  {
    id: 'usefulness/jobs-for-nothing',
    actor: 'client',
    targets: 'E1',
    story: 'Makes demand without a price: jobs at zero grains burn nothing and hold nothing back.',
    on: 'protocol',
    rule: 'JOB-1',
    code: 'JOB_PRICE',
    check: unchecked('market/post-job.ts', 'maxPrice >= 1n && escrow < 1n << 64n'),
    run: postsJob({ maxPrice: 0n }, { maxPrice: 1n }),
  },
  {
    id: 'usefulness/unit-too-large-to-check',
    actor: 'coalition',
    targets: 'B6',
    story: 'Orders a unit that takes longer to execute again than nodes can wait for, so that nobody checks its win.',
    on: 'protocol',
    rule: 'JOB-3',
    code: 'JOB_MACS',
    check: unchecked('market/post-job.ts', 'macs <= units.maxUnitMacs'),
    run: postsJob({ promptTokens: LONGEST, maxNewTokens: 16 }, { promptTokens: LONGEST, maxNewTokens: 4 }, [
      `units.maxUnitMacs=${unitMacs(MODEL.config, 32, 4)}`,
    ]),
  },
  {
    id: 'usefulness/no-time-for-the-ranks',
    actor: 'client',
    targets: 'P1',
    story: 'Lets the job expire before its last rank can deliver: the answer is seen, the escrow comes back.',
    on: 'protocol',
    rule: 'JOB-1',
    code: 'JOB_EXPIRED',
    check: unchecked('market/post-job.ts', 'lastClearing >= height'),
    run: postsJob({ expiryHeight: 9 }),
  },
  {
    id: 'usefulness/demand-for-ever',
    actor: 'client',
    targets: 'P8',
    story: 'Posts bids that nobody will ever meet and that stay in the book for years.',
    on: 'protocol',
    rule: 'JOB-1',
    code: 'JOB_EXPIRY_TOO_FAR',
    check: unchecked('market/post-job.ts', 'expiryHeight <= farthest'),
    run: postsJob({ expiryHeight: 1_000_000 }),
  },
  {
    id: 'usefulness/book-of-cheap-jobs',
    actor: 'client',
    targets: 'P8',
    story:
      'Fills the book with bids below every ask, to keep the jobs of others out; they bid more and take the places.',
    on: 'protocol',
    rule: 'JOB-1',
    code: 'JOB_BOOK_FULL',
    check: unchecked('market/post-job.ts', 'displaced === undefined || maxPrice > displaced.maxPrice'),
    run: async () => {
      const ledger = market()
      const cheap = jobBody({ maxPrice: PRICE / 4n })
      ledger.block(Array.from({ length: BOOK }, () => ledger.tx(CLIENT, cheap)))
      const attack = await refusal(ledger, [ledger.tx(CLIENT, cheap)])
      return { attack, honest: await refusal(ledger, [ledger.tx(OTHER_CLIENT, jobBody())]) }
    },
  },
  {
    id: 'usefulness/free-keys',
    actor: 'outsider',
    targets: 'B1',
    story: 'Asks with any number of keys that put up no bond, to be drawn more often as so many newcomers.',
    on: 'protocol',
    rule: 'ECO-7',
    code: 'ASK_MINER',
    check: unchecked('market/asks.ts', 'isActiveMiner(draft, sender)'),
    run: async () => {
      const ledger = market()
      const sybil = keysOf(120)
      ledger.block([ledger.tx(OTHER_CLIENT, transfer(accountOf(sybil.publicKey), 1_000_000n))])
      const attack = await refusal(ledger, [ledger.tx(sybil, askBody())])
      return { attack, honest: await refusal(ledger, [ledger.tx(minerKeys(0), askBody())]) }
    },
  },
  {
    id: 'usefulness/client-equals-miner',
    actor: 'coalition',
    targets: 'B1, E1',
    story:
      'Asks less than everybody else and bids no more, so that it alone can be drawn, and is paid for its own jobs.',
    on: 'protocol',
    because:
      'who pays whom cannot be seen. It costs at least the burn and the share of the verifiers, 0.24 of the fee, and a premium gives back at most half of the burned part of the prompt: [self-dealing](../results/self-dealing.md) measures a loss of 0.17 to 0.22 of each fee.',
    run: () => {
      const ledger = market({ asks: [{ price: PRICE / 10n }, {}] })
      const own = minerKeys(0)
      const wealth = (): bigint => ledger.balance(CLIENT) + ledger.balance(own)
      const before = wealth()
      const jobId = ledger.post({ maxPrice: PRICE / 10n })
      ledger.block()
      const isOwn = equalBytes(ledger.rank(jobId, 0).publicKey, own.publicKey)
      const { price } = ledger.job(jobId)
      ledger.block([ledger.tx(own, ledger.receiptBody(jobId))])
      ledger.blocks(TEST_PARAMS.block.maturityBlocks + TEST_PARAMS.jobs.auditWindowBlocks)
      const fee = jobFee(TEST_PARAMS, MODEL.config, { promptTokens: 16, maxNewTokens: 4 }, price)
      const lost = before - wealth() - 2n * 1000n
      return isOwn && lost * 100n > 20n * fee && lost * 100n < 25n * fee
    },
  },
  {
    id: 'usefulness/lapsing-jobs',
    actor: 'coalition',
    targets: 'E1',
    story: 'Orders from itself and never delivers: the escrow returns, others waited for the market meanwhile.',
    on: 'protocol',
    because:
      'not to deliver is no fraud. The burn of the prompt is lost each time, the rank loses a tenth of its weight, or its ask where it has none.',
    run: () => {
      const ledger = market({ asks: [{}] })
      const before = ledger.balance(CLIENT)
      const jobId = ledger.post()
      ledger.block()
      const { promptBurn } = ledger.job(jobId)
      ledger.blocks(TEST_PARAMS.jobs.assignmentWindowBlocks * 2)
      return promptBurn > 0n && ledger.balance(CLIENT) === before - 1000n - promptBurn
    },
  },
  {
    id: 'usefulness/walks-the-price',
    actor: 'client',
    targets: 'E1',
    story:
      'Moves the reference price up a step in each block in which nothing else trades, with one small job at a high bid.',
    on: 'protocol',
    because:
      'a price is what somebody pays, and somebody pays it. A step is at most 5 %, and it takes as many blocks to come back; who relies on the reference relies on as many blocks as the step makes it.',
    run: () => {
      const ledger = market()
      ledger.post({ maxPrice: PRICE / 2n })
      const start = readMarket(ledger, MODEL_HEX).referencePrice
      for (let i = 0; i < 4; i++)
        ledger.post({ maxPrice: PRICE * 100n, promptTokens: [1], maxNewTokens: 1, expiryHeight: ledger.height + 20 })
      return readMarket(ledger, MODEL_HEX).referencePrice * 100n > start * 115n
    },
  },
  {
    id: 'usefulness/undercuts-and-idles',
    actor: 'miner',
    targets: 'P1',
    story: 'A new key asks less than all others, so that it alone is drawn, and delivers nothing.',
    on: 'protocol',
    because:
      'who has never won a block has no weight to lose: it loses its ask and asks again, its bond stays. The client waits for the windows and has all but the burn of the prompt back; a largest unit per such key and block is what it can take.',
    run: () => {
      const ledger = market({ asks: [{ price: PRICE / 10n }, {}] })
      const idle = minerKeys(0).publicKey
      const jobId = ledger.post({ maxPrice: PRICE / 5n })
      ledger.block()
      const isAlone = ledger.job(jobId).ranks.length === 1 && equalBytes(ledger.job(jobId).ranks[0]!, idle)
      ledger.blocks(2 * TEST_PARAMS.jobs.assignmentWindowBlocks)
      const { bond } = readRegistration(ledger, ROLE_MINER, idle)!
      return isAlone && readJob(ledger, jobId) === undefined && bond === TEST_PARAMS.bonds.minerGrains
    },
  },
  {
    id: 'usefulness/fills-the-call',
    actor: 'client',
    targets: 'P1',
    story: 'Posts as many tiny jobs at high bids as a call of the market can clear: the jobs of others wait.',
    on: 'protocol',
    because:
      'places are counted and not measured. One cheaper job among them sets the price of all, so that they cost a transaction fee and next to nothing; a job of somebody else that bids more is before them.',
    run: () => {
      const ledger = market()
      const tiny = { promptTokens: [1], maxNewTokens: 1, maxPrice: 2n * PRICE }
      const count = TEST_PARAMS.jobs.maxClearedPerModel
      const others = ledger.tx(OTHER_CLIENT, jobBody())
      const { summary } = ledger.block([
        ...Array.from({ length: count }, () => ledger.tx(CLIENT, jobBody(tiny))),
        others,
      ])
      const [clearing] = summary.clearings
      return clearing?.jobIds.length === count && ledger.job(transactionIdOfBytes(others)).price === 0n
    },
  },
  {
    id: 'usefulness/clears-for-nothing',
    actor: 'client',
    targets: 'E1',
    story:
      'Where clients name their miners, names one that does not ask: the job clears, moves the price, and goes back in full.',
    on: 'protocol',
    because:
      'only with bindings.provenance = client-signed, which no preset of these rules has: the call does not look at whom a job names. It costs the fee of a transaction.',
    run: () => {
      const ledger = market({ params: params('bindings.provenance=client-signed') })
      const before = ledger.balance(CLIENT)
      ledger.post({ minerKey: keysOf(131).publicKey })
      const { volumeMacs } = readMarket(ledger, MODEL_HEX)
      ledger.block()
      return volumeMacs > 0n && ledger.balance(CLIENT) === before - 1000n
    },
  },
]
