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

/** Of the kernel's interface, whatever its timer does. */
const TICKS_PER_SECOND = 100
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

/** Processor time so far, in seconds: of all processes with what a hypervisor took, and of this one with its children that have ended. */
export interface ProcessorTime {
  readonly all: number
  readonly own: number
}

/** Undefined where the system does not tell. */
export function processorTime(): ProcessorTime | undefined {
  try {
    const all = /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))![1]!.split(' ').map(Number)
    const [user, nice, system, , , irq, softirq, steal] = all as [number, number, number, number, number, ...number[]]
    // The name in brackets may hold spaces.
    const own = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ').map(Number)
    const [utime, stime, cutime, cstime] = own.slice(11, 15) as [number, number, number, number]
    return {
      all: (user + nice + system + irq! + softirq! + steal!) / TICKS_PER_SECOND,
      own: (utime + stime + cutime + cstime) / TICKS_PER_SECOND,
    }
  } catch {
    return undefined
  }
}

/** Cores that something else kept busy between two moments, `seconds` apart. */
export function othersBusy(
  from: ProcessorTime | undefined,
  to: ProcessorTime | undefined,
  seconds: number,
): number | undefined {
  if (from === undefined || to === undefined) return undefined
  return Math.max(0, (to.all - from.all - (to.own - from.own)) / seconds)
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
