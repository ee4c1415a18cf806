/** A proof against an answer, on disk before anything of it is sent: whatever ends the command, another run goes on with it. */
import { resolve } from 'node:path'
import type { AnswerProof, ProofKind, SignedForProof } from '@nacre/gateway'
import { bytesToHex, equalBytes, hexToBytes, MAX_STEP_OPENING_BYTES, stepOpeningCodec } from '@nacre/protocol'
import { CliError } from '../errors.ts'
import { readSmallFile, replaceFile } from '../wallet/private-file.ts'

const FORMAT = 'nacre-proof'
const VERSION = 1
/** The opening in hex; everything else has some KiB. */
const MAX_FILE_BYTES = 2 * MAX_STEP_OPENING_BYTES + 64 * 1024
const MAX_SIGNED = 64
const KINDS: readonly ProofKind[] = ['accusation', 'fraudProof']

/** Whose proof it is, and of which chain: a commitment binds its sender (AUD-6). */
export interface ProofOwner {
  /** Hex. */
  readonly chainId: string
  /** Of the accuser, 32 bytes. */
  readonly publicKey: Uint8Array
}

/** Where a wallet's proof against the answer of a job is, if nothing else is said. @param jobId hex. */
export const proofPathOf = (walletPath: string, jobId: string): string => `${walletPath}.proof-${jobId}`

/** Writes it in the place of what is there. Throws CliError FILE: then nothing may be sent. */
export async function writeProofFile(
  path: string,
  { chainId, publicKey }: ProofOwner,
  proof: AnswerProof,
): Promise<void> {
  const { jobId, answer, salt, opening, signed } = proof
  const file = {
    ...{ format: FORMAT, version: VERSION, chainId, accuser: bytesToHex(publicKey), jobId: bytesToHex(jobId), answer },
    ...{ salt: bytesToHex(salt), opening: bytesToHex(stepOpeningCodec.encode(opening)) },
    signed: signed.map((each) => ({ ...each, nonce: `${each.nonce}`, feeGrains: `${each.feeGrains}` })),
  }
  await replaceFile(resolve(path), `${JSON.stringify(file)}\n`)
}

/**
 * The proof in a file; undefined where none is. Throws CliError FILE, PROOF_MALFORMED, and PROOF_OTHER where it is of another wallet, chain or job.
 * @param jobId hex.
 */
export async function readProofFile(path: string, owner: ProofOwner, jobId: string): Promise<AnswerProof | undefined> {
  const refuse = (why: string): never => {
    throw new CliError(`${path} is no proof against an answer: ${why}`, 1, 'PROOF_MALFORMED')
  }
  const found = await readSmallFile(path, MAX_FILE_BYTES, refuse)
  if (found === undefined) return undefined
  let file: Readonly<Record<string, unknown>>
  try {
    file = Object(JSON.parse(found.text))
  } catch {
    return refuse('it is not JSON')
  }
  if (file.format !== FORMAT || file.version !== VERSION) refuse(`it is not "${FORMAT}" of version ${VERSION}`)
  const hash = (value: unknown, name: string): string =>
    typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? value : refuse(`${name} is not 32 bytes in hex`)
  const other = (what: string): never => {
    throw new CliError(`${path} holds a proof of another ${what}: --proof FILE names another file`, 1, 'PROOF_OTHER')
  }
  if (hash(file.chainId, 'chainId') !== owner.chainId) other('network')
  if (!equalBytes(hexToBytes(hash(file.accuser, 'accuser')), owner.publicKey)) other('wallet')
  if (hash(file.jobId, 'jobId') !== jobId) other('job')
  const answer = Object(file.answer) as Readonly<Record<string, unknown>>
  return {
    jobId: hexToBytes(jobId),
    answer: {
      minerKey: hash(answer.minerKey, 'answer.minerKey'),
      traceRoot: hash(answer.traceRoot, 'answer.traceRoot'),
      answerHash: hash(answer.answerHash, 'answer.answerHash'),
    },
    salt: hexToBytes(hash(file.salt, 'salt')),
    opening: openingOf(file.opening, refuse),
    signed: signedOf(file.signed, hash, refuse),
  }
}

function openingOf(value: unknown, refuse: (why: string) => never): AnswerProof['opening'] {
  if (typeof value !== 'string' || !/^([0-9a-f]{2})+$/.test(value)) return refuse('its opening is not hex')
  try {
    return stepOpeningCodec.decode(hexToBytes(value))
  } catch (error) {
    return refuse(`its opening is none: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function signedOf(
  value: unknown,
  hash: (value: unknown, name: string) => string,
  refuse: (why: string) => never,
): SignedForProof[] {
  if (!Array.isArray(value) || value.length > MAX_SIGNED) return refuse('it has no proper list of what is signed')
  const whole = (text: unknown): bigint =>
    typeof text === 'string' && /^\d{1,20}$/.test(text) ? BigInt(text) : refuse('a nonce or a fee is none')
  return value.map((each: unknown) => {
    const { kind, id, sinceHeight, nonce, feeGrains } = Object(each) as Readonly<Record<string, unknown>>
    if (!KINDS.includes(kind as ProofKind)) return refuse('something signed is neither commitment nor proof')
    if (!Number.isSafeInteger(sinceHeight) || Number(sinceHeight) < 0) return refuse('a height is none')
    return {
      ...{ kind: kind as ProofKind, id: hash(id, 'an id'), sinceHeight: Number(sinceHeight) },
      ...{ nonce: whole(nonce), feeGrains: whole(feeGrains) },
    }
  })
}
