/** `nacre job verify --accuse`: takes a wrong step of an answer to the chain (AUD-4, AUD-6), from the user's wallet. */
import { randomBytes } from 'node:crypto'
import {
  type AccusationEnd,
  type AccusationProgress,
  type AnswerProof,
  accusationCost,
  accusationState,
  accuse,
  bountyOf,
  type OpenDeposit,
  PROOF_DEPTH,
} from '@nacre/gateway'
import { readAccount } from '@nacre/node/rpc-client'
import {
  type AnswerClaim,
  bytesToHex,
  equalBytes,
  type Params,
  type StepOpening,
  stepOpeningCodec,
} from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { shortId } from '../jobs/describe.ts'
import { type ProofOwner, proofPathOf, readProofFile, writeProofFile } from '../jobs/proof-file.ts'
import { signingJournal } from '../jobs/signing-journal.ts'
import { formatNcr } from '../wallet/amount.ts'
import { decryptKeys, type KeyFile, readKeyFile } from '../wallet/key-file.ts'
import { readOwnNetwork } from '../wallet/network.ts'
import { NonceRecord } from '../wallet/nonce-record.ts'
import { passphraseOf } from '../wallet/secrets.ts'
import { checkFunds } from '../wallet/send.ts'
import type { JobCall } from './job.ts'

/** What there is to accuse with. */
export interface Accuser {
  readonly call: JobCall
  readonly file: KeyFile
  readonly params: Params
  readonly proofPath: string
  /** Of an earlier run. */
  readonly stored: AnswerProof | undefined
}

/** What became of an accusation, in words and for `--json`. */
export interface Accused {
  readonly text: string
  readonly json: Readonly<Record<string, unknown>>
}

/** Refuses what cannot be meant, before anything is asked. Throws CliError USAGE. */
export function checkAccuseFlags({ options }: JobCall): void {
  const { accuse: isAccusing, proof, sample, wallet } = options
  if (isAccusing !== true) {
    for (const name of ['proof', 'wallet', 'passphrase-file', 'replace'] as const)
      if (options[name] !== undefined) throw new CliError(`--${name} goes with --accuse`, 2)
    return
  }
  if (wallet === undefined)
    throw new CliError('--accuse needs --wallet FILE: deposit and fees are paid from it, and the bounty goes to it', 2)
  if (sample === undefined && proof === undefined)
    throw new CliError('--accuse needs --sample N, which finds a wrong step, or --proof FILE, which holds one', 2)
}

/** Everything that can be wrong with the wallet or with a stored proof, before an answer is checked. @param jobId hex. Throws CliError. */
export async function openAccuser(call: JobCall, jobId: string): Promise<Accuser> {
  const { options, path, rpc, say } = call
  const file = await readKeyFile(path, say)
  const params = await readOwnNetwork(rpc, file.network)
  if (params.audits.mode === 'off')
    throw new CliError(`${params.network.name} has no audits: nobody can be accused there`, 1, 'AUDIT_OFF')
  const proofPath = options.proof ?? proofPathOf(path, jobId)
  const stored = await readProofFile(proofPath, ownerOf(file), jobId)
  if (stored === undefined && options.sample === undefined)
    throw new CliError(`there is no proof ${proofPath}: --sample N finds one`, 2)
  return { call, file, params, proofPath, stored }
}

const ownerOf = ({ network, publicKey }: KeyFile): ProofOwner => ({ chainId: network.chainId, publicKey })

/**
 * Accuses the miner of an answer with a step that is wrong in it. Throws CliError INSUFFICIENT_FUNDS before anything is sent, and what the
 * wallet refuses; JobError for what the node refuses, and for an interruption.
 */
export async function accuseMiner(
  accuser: Accuser,
  claim: AnswerClaim,
  opening: StepOpening,
  signal: AbortSignal,
): Promise<Accused> {
  const { call, file, params, proofPath } = accuser
  const { rpc, say, path } = call
  const proof = proofOf(accuser, claim, opening)
  const state = await accusationState(rpc, params, proof, signal)
  if (state.end !== undefined && (state.proof.status !== 'included' || state.proof.depth >= PROOF_DEPTH))
    return accusedOf(state.end, params)
  const { depositGrains, feeGrains } = accusationCost(params, state)
  const bounty = await bountyOf(rpc, params, proof.answer.minerKey, signal)
  const hasFaucet = params.emission.faucetGrains > 0n
  checkFunds(
    await readAccount(rpc, file.address, undefined, signal),
    { grains: depositGrains, fee: feeGrains, nonce: undefined },
    hasFaucet,
  )
  say(
    `accusing miner ${shortId(proof.answer.minerKey)}: deposit ${formatNcr(params.audits.accusationDepositGrains)}, which returns, fees ` +
      `${formatNcr(feeGrains)}, bounty ${formatNcr(bounty)}${bounty === 0n ? ' (it has no bond any more)' : ''}`,
  )
  await writeProofFile(proofPath, ownerOf(file), proof)
  say(`the proof is in ${proofPath}: --accuse goes on with it, whatever ends this command`)
  const passphrase = await passphraseOf({ file: call.options['passphrase-file'], environment: true, path })
  const keys = await decryptKeys(file, passphrase, path)
  const record = await NonceRecord.open(path, file.network.chainId, file.address)
  const end = await accuse({
    ...{ rpcUrl: rpc, params, keys, proof, signal },
    keep: (next) => writeProofFile(proofPath, ownerOf(file), next),
    journal: signingJournal(
      record,
      `an accusation about job ${bytesToHex(proof.jobId)}`,
      call.options.replace === true,
    ),
    onProgress: (progress) => say(progressText(progress)),
  })
  return accusedOf(end, params)
}

/** The stored one, if it shows this very step of this very answer: its commitment may be in a block already. */
function proofOf({ stored }: Accuser, claim: AnswerClaim, opening: StepOpening): AnswerProof {
  if (stored !== undefined && isSameOpening(stored.opening, opening)) return { ...stored, answer: answerOf(claim) }
  const salt = new Uint8Array(randomBytes(32))
  return { jobId: claim.jobId, answer: answerOf(claim), salt, opening, signed: [] }
}

const isSameOpening = (a: StepOpening, b: StepOpening): boolean =>
  equalBytes(stepOpeningCodec.encode(a), stepOpeningCodec.encode(b))

const answerOf = ({ minerKey, unit }: AnswerClaim): AnswerProof['answer'] => ({
  minerKey: bytesToHex(minerKey),
  traceRoot: bytesToHex(unit.traceRoot),
  answerHash: bytesToHex(unit.answerHash),
})

const NAMES = { accusation: 'commitment', fraudProof: 'proof' } as const

function progressText(progress: AccusationProgress): string {
  switch (progress.step) {
    case 'sent':
      return `${NAMES[progress.kind]} ${progress.id} waits for a block`
    case 'committed': {
      const { height, first, last } = progress
      return `committed in block ${height}; the proof may be in blocks ${first} to ${last}: waiting until block ${first - 1}`
    }
    case 'proven':
      return `proof in block ${progress.height}, ${progress.depth} of ${PROOF_DEPTH} deep`
    case 'lost':
      return `the ${NAMES[progress.kind]} neither waits nor is in a block any more: it is signed again with a higher fee`
  }
}

const bountyText = (grains: bigint | undefined): string =>
  grains === undefined ? 'the bounty' : `the bounty of ${formatNcr(grains)}`

const depositText = (deposit: OpenDeposit | undefined): string =>
  deposit === undefined ? 'Nothing is out' : `The deposit returns with block ${deposit.returnsHeight}`

function accusedOf(end: AccusationEnd, params: Params): Accused {
  return { text: endText(end, params), json: jsonOf(end) }
}

function jsonOf(end: AccusationEnd): Accused['json'] {
  const { bountyGrains, ...rest } = { bountyGrains: undefined, ...end }
  return { ...rest, ...(bountyGrains === undefined ? {} : { bountyGrains: `${bountyGrains}` }) }
}

function endText(end: AccusationEnd, params: Params): string {
  switch (end.outcome) {
    case 'condemned':
      return `Accused by this wallet: block ${end.proofHeight} condemns the unit and bars its miner; ${bountyText(end.bountyGrains)} and the deposit can be spent at once`
    case 'suspected': {
      const until = end.lastRevealHeight === undefined ? 'its reveal' : `block ${end.lastRevealHeight}`
      return (
        `Accused by this wallet in block ${end.proofHeight}, the deposit is back: until ${until} its miner may name the unit as a plant (AUD-8); ` +
        `if it has not, that block condemns it and pays ${bountyText(end.bountyGrains)}, which can be spent at once`
      )
    }
    case 'refuted':
      return `Accused in block ${end.proofHeight}, where the network found the step right: the deposit is burned. The model or the program here differs from the network's`
    case 'forestalled':
      return end.as === 'condemned'
        ? `Not accused: somebody else was first, and the unit is condemned already. ${depositText(end.deposit)}`
        : `Not accused: somebody else was first, and the unit is under suspicion already (AUD-8). ${depositText(end.deposit)}`
    case 'planted': {
      const what = 'its miner has named the unit as a plant (AUD-8), and it answers for another trace'
      return end.proofHeight === undefined
        ? `Not accused: ${what}. ${depositText(end.deposit)}`
        : `Accused by this wallet in block ${end.proofHeight}, the deposit is back: ${what}. There is no bounty`
    }
    case 'late':
      return `Not accused: too late. ${lateText(end, params)}. ${depositText(end.deposit)}`
    case 'missed':
      return (
        `Not accused: no block up to ${end.lastHeight}, the last that could, took the proof (audits.accusationBlocks), and the deposit is back. ` +
        '--accuse again commits anew'
      )
    case 'other':
      return `Not accused: the chain has another answer of the job now, or none. ${depositText(end.deposit)}`
  }
}

function lateText(
  { endHeight, earliestHeight }: Extract<AccusationEnd, { outcome: 'late' }>,
  { audits }: Params,
): string {
  if (endHeight === undefined) return 'The audits of the unit are over: its payment has matured'
  return (
    `A unit can be accused until its payment matures (block.maturityBlocks after its settlement): the audits of this one end with block ${endHeight}, ` +
    `and a proof could be in block ${earliestHeight} at the soonest, ${audits.accusationDelayBlocks} blocks after its commitment (audits.accusationDelayBlocks)`
  )
}
