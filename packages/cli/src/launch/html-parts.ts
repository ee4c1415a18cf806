/** The pieces that the report is put together from. */
import { escapeText } from './svg.ts'
import type { Table } from './tables.ts'

const STYLE = `
:root{color-scheme:light dark;--ink:#1c1f24;--soft:#5d6570;--paper:#fff;--card:#f5f6f8;--rule:#d9dde3;
--pass:#17703f;--warn:#8a5a00;--fail:#b3261e;--s0:#1f6fd0;--s1:#c9570c;--s2:#17824f;--s3:#a2318f;--s4:#7a6100;--s5:#5b4bd6}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3af;--paper:#14171b;--card:#1d2126;--rule:#353b43;
--pass:#5cc98f;--warn:#e5b454;--fail:#f2808f;--s0:#6aa9f5;--s1:#f0954f;--s2:#5cc98f;--s3:#e285d3;--s4:#d6b93f;--s5:#a79cff}}
body{margin:0 auto;padding:24px;max-width:1100px;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:24px;margin:0;overflow-wrap:anywhere}h2{font-size:18px;margin:32px 0 10px}h3{font-size:14px;margin:12px 0 4px}
p{margin:6px 0;max-width:85ch}li{max-width:85ch}.soft{color:var(--soft)}code{font-size:13px;overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:16px;margin-top:14px}
figure{margin:0;padding:14px;background:var(--card);border-radius:8px}figure h3{margin:0}
figcaption{font-size:13px;color:var(--soft);margin-bottom:8px}
svg{width:100%;height:auto;display:block;font-size:12px}svg text{fill:var(--ink)}.grid{stroke:var(--rule);fill:none}
.line{fill:none;stroke-width:2}.dashed{stroke-dasharray:5 4}.bar{fill:var(--s0)}
${[0, 1, 2, 3, 4, 5].map((i) => `.line.s${i}{stroke:var(--s${i})}.dot.s${i}{fill:var(--s${i})}`).join('')}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;margin:0 0 10px;padding:0;list-style:none}
.legend svg{display:inline-block;width:22px;height:10px;margin-right:6px;vertical-align:middle}
.findings{list-style:none;padding:0;margin:0}.findings li{display:grid;grid-template-columns:56px 150px 1fr;gap:10px;padding:5px 0;border-bottom:1px solid var(--rule);max-width:none}
.verdict{font-weight:700;font-size:13px}.pass{color:var(--pass)}.warn{color:var(--warn)}.fail{color:var(--fail)}
@media (max-width:600px){.findings li{grid-template-columns:56px 1fr}.findings li span:last-child{grid-column:1/-1}}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px;margin:6px 0}
th,td{padding:4px 0 4px 22px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left;padding-left:0}th{color:var(--soft);font-weight:600}`

export function page(title: string, body: readonly string[]): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeText(title)}</title><style>${STYLE}</style></head>
<body>
${body.join('\n')}
</body></html>
`
}

/** `parts` are HTML. */
export function section(title: string, ...parts: readonly string[]): string {
  return `<section><h2>${escapeText(title)}</h2>${parts.join('\n')}</section>`
}

/** `chart` is HTML. */
export function figure(title: string, caption: string, chart: string): string {
  return `<figure><h3>${escapeText(title)}</h3><figcaption>${escapeText(caption)}</figcaption>${chart}</figure>`
}

export function tableHtml({ head, rows }: Table): string {
  const cells = (tag: string, row: readonly string[]): string =>
    `<tr>${row.map((cell) => `<${tag}>${escapeText(cell)}</${tag}>`).join('')}</tr>`
  return `<div class="scroll"><table>${cells('th', head)}${rows.map((row) => cells('td', row)).join('')}</table></div>`
}

export function items(texts: readonly string[]): string {
  return `<ul>${texts.map((text) => `<li>${escapeText(text)}</li>`).join('')}</ul>`
}
