/** The machine in the words of a report. */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly arch: string
  readonly cores: number
  /** Instruction sets that matter for int8 products, as far as the system tells. */
  readonly isa: readonly string[]
  readonly memoryGiB: number
  readonly os: string
  readonly node: string
  readonly v8: string
}

const ISA_FLAGS = [
  'avx2',
  'avx_vnni',
  'avx512f',
  'avx512bw',
  'avx512_vnni',
  'avx512_bf16',
  'amx_int8',
  'asimddp',
  'i8mm',
]

export function describeMachine(): Machine {
  const { model = 'unknown', fields } = cpuInfo()
  return {
    cpu: fields === '' ? model : `${model} (${fields})`,
    arch: process.arch,
    cores: availableParallelism(),
    isa: isaFlags(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${osName()}, ${platform()} ${release().split('-')[0]}`,
    node: process.version,
    v8: process.versions.v8,
  }
}

/** The load of the last minute: above a fraction of one core, something else runs. */
export function load(): number {
  return loadavg()[0]!
}

/** Family and model tell generations apart where a virtual machine hides the name. */
function cpuInfo(): { model: string | undefined; fields: string } {
  const info = procCpuInfo()
  const field = (name: string): string | undefined => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(info)?.[1]
  const [family, model] = [field('cpu family'), field('model')]
  return {
    model: cpus()[0]?.model.trim(),
    fields: family === undefined || model === undefined ? '' : `family ${family}, model ${model}`,
  }
}

function isaFlags(): string[] {
  const flags = new Set((/^(?:flags|Features)\s*: (.*)$/m.exec(procCpuInfo())?.[1] ?? '').split(' '))
  return ISA_FLAGS.filter((flag) => flags.has(flag))
}

function procCpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8')
  } catch {
    return ''
  }
}

function osName(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? platform()
  } catch {
    return platform()
  }
}
