import { type Attack, FAMILIES, isStopped } from './attack.ts'
import { CATALOGUE } from './catalogue.ts'

const HEAD = `# Attacks

Each attack is an adversary in code under [\`redteam\`](../../redteam/README.md) and a test of \`npm run test:redteam\`: the same thing done honestly is accepted, the attack meets the code. A table row names who attacks, the binding or property
([bindings](../spec/02-bindings.md), [properties](../spec/README.md)) that would break, the rule that stops it, and the code. *Nodes*: run against real nodes. For each stopped attack \`npm run test:redteam -- --mutations\` takes the check out of the code and sees the test fail.
This file is written from the catalogue (\`UPDATE_DOCS=1 npx vitest run redteam/test/catalogue\`).
`

/** Every distinct pair of rule and code that stops an attack. */
export function stoppedPairs(): readonly string[] {
  const all = FAMILIES.flatMap((family) => CATALOGUE[family])
  return [...new Set(all.filter(isStopped).map(({ rule, code }) => `${rule} ${code}`))].sort()
}

/** The text of docs/security/attacks.md. */
export function catalogueText(): string {
  const all: readonly Attack[] = FAMILIES.flatMap((family) => CATALOGUE[family])
  const stopped = all.filter(isStopped)
  const onNodes = stopped.filter(({ on }) => on === 'nodes').length
  const counts = `\n${stopped.length} attacks are stopped by ${stoppedPairs().length} pairs of rule and code, ${onNodes} of them against real nodes; ${all.length - stopped.length} are not stopped and not counted.\n`
  const sections = FAMILIES.map((family) => {
    const rows = CATALOGUE[family].filter(isStopped).map((attack) => {
      const { id, actor, targets, story, rule, code, on } = attack
      return `| \`${id}\` | ${actor} | ${targets} | ${story}${on === 'nodes' ? ' *Nodes.*' : ''} | ${rule} | \`${code}\` |`
    })
    return `\n## ${family[0]?.toUpperCase()}${family.slice(1)}\n\n| id | actor | breaks | what is tried | rule | code |\n|---|---|---|---|---|---|\n${rows.join('\n')}\n`
  })
  const open = all.flatMap((attack) =>
    isStopped(attack)
      ? []
      : [`| \`${attack.id}\` | ${attack.actor} | ${attack.targets} | ${attack.story} | ${attack.because} |`],
  )
  const last = `\n## Not stopped\n\nThese work. Their tests show that they do.\n\n| id | actor | breaks | what is done | not stopped, because |\n|---|---|---|---|---|\n${open.join('\n')}\n`
  return HEAD + counts + sections.join('') + last
}
