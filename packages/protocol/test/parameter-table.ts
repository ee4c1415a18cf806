import { PARAM_BREAKS } from '../src/params/breaks.ts'
import { PARAM_FIELDS, type ParamField } from '../src/params/fields.ts'
import { paramLines } from '../src/params/lines.ts'
import { presets } from '../src/params/presets.ts'

function allowed(field: ParamField): string {
  switch (field.kind) {
    case 'integer':
      return field.unit === 'compact target' ? field.unit : `${field.min} to ${field.max} ${field.unit}`
    case 'amount':
      return `up to ${field.max} grains`
    case 'choice':
      return field.choices
        .map((value) => (field.refused?.[value] === undefined ? value : `${value} (refused)`))
        .join(', ')
    case 'text':
      return `\`${field.pattern.source}\``
  }
}

function shown(path: string, field: ParamField, value: string): string {
  if (/^models\..*\.(modelId|corpusRoot)$/.test(path)) return 'registered'
  if (field.kind === 'integer' && field.unit === 'compact target') return `0x${Number(value).toString(16)}`
  return value === '' ? 'none' : value === '0'.repeat(64) ? '64 zeros' : value
}

/** The table of all parameters in docs/spec/04-parameters.md, row by row, from the field table and the presets. */
export function parameterTable(): string[] {
  const valuesOf = Object.values(presets).map(
    (params) =>
      new Map(paramLines(params).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])),
  )
  const names = Object.keys(presets)
  return [
    `| path | meaning | allowed | what breaks | ${names.join(' | ')} |`,
    `|---|---|---|---|${names.map(() => '---').join('|')}|`,
    ...Object.entries(PARAM_FIELDS).map(([path, field]) => {
      const cells = valuesOf.map((values) => shown(path, field, values.get(path.replace('*', '0'))!))
      return `| \`${path}\` | ${field.doc} | ${allowed(field)} | ${PARAM_BREAKS[path] ?? ''} | ${cells.join(' | ')} |`
    }),
  ]
}
