import type { RunRecord } from '../report/rows.ts'
import { figure } from '../report/svg.ts'
import { SCENARIOS, scenarioByName } from '../scenarios/registry.ts'

/** Prints the scenarios with their parameters and figures. */
export function printList(asJson: boolean): void {
  if (asJson) {
    const entries = SCENARIOS.map(({ name, doc, preset, params, metrics, series }) => ({
      name,
      doc,
      preset,
      params,
      metrics,
      series,
    }))
    process.stdout.write(`${JSON.stringify(entries, undefined, 1)}\n`)
    return
  }
  for (const scenario of SCENARIOS) {
    const lines = [`${scenario.name} (preset ${scenario.preset})`, `  ${scenario.doc}`, '  parameters']
    for (const [name, spec] of Object.entries(scenario.params)) {
      const allowed = spec.kind === 'choice' ? spec.choices.join(' or ') : `${spec.min} to ${spec.max} ${spec.unit}`
      lines.push(`    ${`${name}=${spec.default}`.padEnd(24)} ${spec.doc} (${allowed})`)
    }
    lines.push('  figures')
    for (const [name, { unit, doc }] of Object.entries(scenario.metrics))
      lines.push(`    ${name.padEnd(24)} ${doc} (${unit})`)
    process.stdout.write(`${lines.join('\n')}\n\n`)
  }
}

/** Prints one run, as JSON or as a table of its figures. */
export function printRun(record: RunRecord, asJson: boolean): void {
  if (asJson) {
    process.stdout.write(`${JSON.stringify(record)}\n`)
    return
  }
  const { metrics } = scenarioByName(record.scenario)
  const changed = Object.entries(record.changed).map(([path, value]) => ` ${path}=${value}`)
  const lines = [
    `${record.scenario}, seed ${record.seed}, preset ${record.preset}${changed.join('')}, commit ${record.commit}`,
  ]
  for (const [name, value] of Object.entries(record.metrics))
    lines.push(`  ${name.padEnd(24)} ${figure(value).padStart(10)} ${metrics[name]!.unit}`)
  process.stdout.write(`${lines.join('\n')}\n`)
}
