import type { ErrorCode } from '@nacre/protocol'

/** Who attacks: what it holds decides what it can try. */
export type Actor = 'miner' | 'client' | 'verifier' | 'peer' | 'outsider' | 'coalition'

export const FAMILIES = [
  'arithmetic',
  'commitment',
  'lottery',
  'randomness',
  'replay',
  'usefulness',
  'verifiers',
  'availability',
  'chain',
] as const

export type Family = (typeof FAMILIES)[number]

/** One check taken out of the code: where it stands, its exact text (once in the file), and what stands there without it. */
export interface Mutation {
  /** Path from the repository's root. */
  readonly file: string
  readonly from: string
  readonly to: string
}

/** What an attack met. `undefined` means that it was accepted, or had its effect. */
export interface Outcome {
  /** The same thing done honestly: must be accepted, so that a rule which refuses everything stops nothing. */
  readonly honest: string | undefined
  readonly attack: string | undefined
}

interface AttackBase {
  /** `<family>/<name>`, stable: issues and papers cite it. */
  readonly id: string
  readonly actor: Actor
  /** Binding (B1 to B6) or property (P1 to P10) that the attack would break. */
  readonly targets: string
  /** What the adversary does and hopes for, one or two sentences. */
  readonly story: string
  /** `nodes`: against real nodes; `protocol`: against the rules in code. */
  readonly on: 'protocol' | 'nodes'
}

/** An attack that a rule stops, with the code that its author meets. */
export interface StoppedAttack extends AttackBase {
  /** Number of the rule in docs/spec. */
  readonly rule: string
  /** A code of the protocol, or of the node's network layer. */
  readonly code: ErrorCode | (string & {})
  /** Without this check the attack's test fails. */
  readonly check: Mutation
  run(): Outcome | Promise<Outcome>
}

/** An attack that nothing stops: the test shows that it works, so that the sentence about it stays true. */
export interface OpenAttack extends AttackBase {
  /** Why it is not stopped, what it costs, and what limits the damage. */
  readonly because: string
  /** True if the attack had its effect. */
  run(): boolean | Promise<boolean>
}

export type Attack = StoppedAttack | OpenAttack

/** Whether a rule stops the attack. */
export function isStopped(attack: Attack): attack is StoppedAttack {
  return 'code' in attack
}

/** The code with which `action` is rejected, `undefined` if it is accepted. Errors without a code escape: they are bugs. */
export async function rejectionOf(action: () => unknown): Promise<string | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
    throw error
  }
}
