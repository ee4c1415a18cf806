import { paramLines } from './lines.ts'
import type { Params } from './types.ts'

/**
 * What breaks when a parameter is off, zero or loose: for whoever experiments. Paths are those of `PARAM_FIELDS`. Clauses are separated by
 * semicolons; one that begins with a value and a colon is about exactly that value.
 */
export const PARAM_BREAKS: Readonly<Record<string, string>> = {
  'network.launchDelayMs': '0: whoever knows first mines first',
  'network.genesisBeacon': 'known beforehand: work can be prepared before the launch',
  'block.maxFutureMs': 'large: miners pretend long solve times and lower the difficulty',
  'block.maturityBlocks': 'short: rewards are spent before a fault can be shown',
  'block.winnerCheck':
    'none: winners are not executed again, and a ticket proof alone can be ground by varying the trace root',
  'difficulty.algorithm':
    'wtema-unclamped: one block that is late or wrongly dated moves the target as far as its date says',
  'difficulty.halfLifeMs':
    'short: chance and hopping miners move the difficulty; long: a change of speed is felt for days',
  'difficulty.genesisBits': 'too easy: a burst of blocks until the rule has caught up; too hard: no blocks',
  'emission.ramp': 'none: a week of head start with a faster kernel owns percents of the first year',
  'emission.premineGrains': 'above 0: somebody owns coins that nobody could mine',
  'emission.teamSharePpm': 'above 0: a part of what everybody mines belongs to the team',
  'emission.bootstrapFactorPpm': 'high: bootstrap prompts, which nobody asked for, are paid in full',
  'emission.mintCapPpm':
    '0: useful work earns no more than bootstrap work; above 1000000: paying oneself mints more than it burns',
  'fees.burnPpm': '0: fake demand costs nothing, so it is mined like a bootstrap prompt but looks useful',
  'fees.verifierPpm': '0: checks are paid by the subsidy alone',
  'fees.minJobGrains':
    '0: jobs of a few grains burn nothing by rounding and move prices for nothing; large: short answers are not for sale',
  'jobs.paidDrawPpm':
    '0: paid work makes no blocks; above the bootstrap factor times what drawing a kept trace again costs over a bootstrap unit: doing that beats mining (WRK-4)',
  'jobs.inputPricePpm':
    '0: prompts are free, burn nothing and so mint nothing; high: long prompts cost more than their work',
  'jobs.assignmentWindowBlocks':
    'short: an honest miner misses it by one slow block; long: the client waits for absent miners',
  'jobs.fallbacks': '0: one absent miner and the job is lost',
  'jobs.auditWindowBlocks': 'short: receipts are paid before a fault can be shown',
  'jobs.askDelayBlocks': 'short: asks answer the jobs that are already visible',
  'jobs.maxLifetimeBlocks': 'long: hopeless jobs fill the book',
  'jobs.maxOpenPerModel': 'small: a few high bids close the market; large: each block sorts a long book',
  'jobs.maxAsksPerModel': 'small: a few cheap asks close the market to everybody else',
  'jobs.weightBlocks': 'short: one lucky win draws the next jobs; long: whoever left still draws them',
  'jobs.capacityMultiple': 'large: a key without hardware can claim the whole market',
  'jobs.newcomerSharePpm': '0: who has no wins gets no jobs; large: keys are free, so new ones take the market',
  'jobs.nonDeliveryPpm': '0: taking jobs and not delivering them costs nothing',
  'jobs.referenceMovePpm': 'large: one block moves the price that others rely on',
  'audits.mode': 'off: paid work that wins no block is a claim of its miner, so garbage is paid like answers',
  'audits.rateUnits': '0: only the floor is left, which pays a miner that cheats once and leaves',
  'audits.rateFloorPpm': '0: a miner with many units at stake is hardly ever audited',
  'audits.newKeyUnits': '0: a new key may cheat from its first unit on at the rate of an old one',
  'audits.steps': 'few: a unit with few forged steps passes',
  'audits.epochBlocks': 'short: many commitments and reveals; long: one leaked secret tells for long what is audited',
  'audits.verdictBlocks': 'short: the last units of an epoch get no verdict',
  'audits.revealBlocks': 'short: an honest verifier misses it by a few full blocks and pays',
  'audits.maxVerifiers': 'small: a few bonds shut everybody else out of an epoch',
  'audits.missedRevealPpm': '0: a verifier hides which units it left out by keeping its secret',
  'audits.falseVerdictPpm': '0: saying `right` without looking costs the pay of one epoch at most',
  'audits.payPpm':
    '0: only bounties pay for checking; with emission.mintCapPpm above 1000000 together: own jobs under own audits earn more than they burn',
  'audits.plantPpm':
    '0: nothing shows whether anybody looks while nobody forges; large: a miner that plants works for nothing',
  'audits.accusationDelayBlocks': 'short: who mines the next blocks can commit to the proof it reads and overtake it',
  'audits.accusationBlocks': 'short: full blocks push a proof out of its time',
  'audits.accusationDepositGrains': '0: false accusations make every node run steps for the fee alone',
  'audits.bountyPpm': '0: nobody is paid for proving fraud',
  'audits.maxProofsPerBlock': 'small: proofs wait for one another; large: a block of proofs takes long to check',
  'audits.challengeWindowBlocks': 'short: a miner that keeps its trace back gets through',
  'audits.responseBlocks': 'short: an honest miner that is away for a moment loses everything',
  'audits.challengeBondGrains': '0: cheap receipts can be challenged for almost nothing',
  'audits.maxChallengesPerUnit': 'large: one challenger makes a miner publish its whole trace',
  'audits.maxChallengesPerBlock': 'large: more openings are asked for than blocks have room to answer',
  'bindings.assignedInputs':
    'off: the miner chooses prompts and how to go on from them, so the same text mines for ever',
  'bindings.registeredWeights':
    'off: a private model that nobody asked for, and that is cheaper to run, wins more often',
  'bindings.operandBeforeNoise':
    'off: the noise is known before the operand, which can be chosen, or its length, to suit it',
  'bindings.completionBeforeDraw':
    'off: tickets are drawn layer by layer, and the rest of the inference is run only after a win',
  'bindings.singleUse': 'off: one result is drawn again and again by its counter, for a hash a ticket',
  'bindings.checked': 'off: a garbage trace is a free nonce, blocks cost hashes instead of inference',
  'bindings.provenance':
    'open: the miner brings whatever matrices it likes; client-signed: a client that is also a miner gives itself its jobs and their draws',
  'open.seedRule': 'legacy: nothing binds the dimensions of operands, and one opened tile is valid for many of them',
  'open.rankPenalty': 'off: the miner chooses the rank, and each earns the same for ever fewer folds',
}

/** Whether a parameter has any effect: the rules of the open lane have none where it is closed. */
const hasEffect = (path: string, { bindings }: Params): boolean =>
  !path.startsWith('open.') || bindings.provenance === 'open'

/** What breaks with the values of `params`, as `path=value: what`, in the order of the paths. */
export function paramWarnings(params: Params): string[] {
  return paramLines(params).flatMap((line) => {
    const at = line.indexOf('=')
    if (!hasEffect(line.slice(0, at), params)) return []
    const prefix = `${line.slice(at + 1)}: `
    const clauses = PARAM_BREAKS[line.slice(0, at)]?.split('; ') ?? []
    return clauses
      .filter((clause) => clause.startsWith(prefix))
      .map((clause) => `${line}: ${clause.slice(prefix.length)}`)
  })
}
