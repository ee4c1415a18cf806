import { parseArgs } from 'node:util'
import { readVerifierList, type VerifiersView } from '@nacre/node/rpc-client'
import { shortId } from '../jobs/describe.ts'
import { parsed, rpcOf, withHint } from '../options.ts'
import { interruptible } from '../signals.ts'
import { printers, reportingJson } from '../verbs.ts'
import { formatNcr } from '../wallet/amount.ts'

const USAGE = `Who checks paid work: registered verifiers, their bonds, and of the faults that miners planted where each was
to look how many it found (AUD-8).

  npm run nacre -- verifiers [options]

  --rpc URL     a node (default http://127.0.0.1:8645)
  --json        print one JSON object
  --help        this text

Exit codes: 0 done, 1 no answer, 2 wrong usage.
`

/** `nacre verifiers`. */
export async function verifiersCommand(args: readonly string[]): Promise<void> {
  if (args.includes('--help')) {
    process.stdout.write(USAGE)
    return
  }
  await reportingJson(args, async () => {
    const { values } = parsed(
      () =>
        parseArgs({
          args: [...args],
          options: { rpc: { type: 'string' }, json: { type: 'boolean', default: false } },
        }),
      USAGE,
    )
    const { print } = printers(values.json)
    await interruptible((signal) =>
      readVerifierList(rpcOf(values.rpc), signal).then((view) => print(view, verifierLines(view)), withHint),
    )
  })
}

/** `3 of 4, 75 %`; a dash where nothing was planted. */
export function foundText({ planted, found }: { readonly planted: number; readonly found: number }): string {
  return planted === 0 ? '-' : `${found} of ${planted}, ${Math.round((100 * found) / planted)} %`
}

/** The verifiers as lines. */
export function verifierLines({ height, verifiers }: VerifiersView): string[] {
  const head = `block ${height}: ${verifiers.length} registered verifiers; planted faults found, of those each was to look at`
  return [
    head,
    ...verifiers.map(({ verifierKey, bondGrains, isActive, ...counts }) => {
      const bond = `${formatNcr(BigInt(bondGrains))}`.padStart(14)
      return `  ${shortId(verifierKey)}  bond ${bond}  ${isActive ? 'active ' : 'leaving'}  ${foundText(counts)}`
    }),
  ]
}
