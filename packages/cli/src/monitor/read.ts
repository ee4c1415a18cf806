/** `GET /work` of a node, checked for shape before anything of it is shown. */
import { ALARM_CODES, type AlarmCode } from '@nacre/node/monitor'
import { type Fields, field, fieldsOf, get, isHash, isHeight, isList, isText } from '@nacre/node/rpc-client'

/** A quantity with its interval at 95 %. */
export interface Interval {
  readonly value: number
  readonly low: number
  readonly high: number
}

export interface RateLine extends Interval {
  readonly fromHeight: number
  readonly toHeight: number
  readonly blocks: number
}

export interface KeyLine extends Interval {
  readonly minerKey: string
  readonly blocks: number
  readonly declaredMacs: number
}

export interface AlarmLine {
  readonly code: AlarmCode
  readonly sinceHeight: number
  readonly lastHeight: number
  readonly message: string
}

/** The part of a node's report that a person reads. */
export interface WorkPage {
  readonly height: number
  readonly datedHeight: number
  readonly blockTimeMs: number
  readonly rates: readonly RateLine[]
  readonly growth: Interval | undefined
  readonly workMacs: number | undefined
  readonly asks: number
  readonly askKeys: number
  readonly declaredMacs: number
  readonly roomMacs: number
  readonly averageWorkMacs: number
  readonly lanes: { readonly blocks: number; readonly paidBlocks: number; readonly paidWorkShare: number }
  readonly reward:
    | { readonly blocks: number; readonly grainsPerGmac: number; readonly cost: number | undefined }
    | undefined
  readonly winners: {
    readonly blocks: number
    readonly keys: number
    readonly effectiveKeys: number | undefined
    readonly largest: readonly KeyLine[]
  }
  readonly alarms: readonly AlarmLine[]
  readonly blocksPerFalseAlarm: number
}

/** The node's answer as it came, and the page made of it. Throws CliError. */
export async function readWork(
  base: string,
  interrupt?: AbortSignal,
): Promise<{ readonly answer: unknown; readonly page: WorkPage }> {
  const answer = await get(base, '/work', interrupt)
  return { answer, page: pageOf(base, answer) }
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isAlarmCode = (value: unknown): value is AlarmCode => (ALARM_CODES as readonly unknown[]).includes(value)

function pageOf(base: string, answer: unknown): WorkPage {
  const from = fieldsOf(base, '/work', answer)
  const read = reader(base, '/work', from)
  const capacity = read.inner('capacity')
  const lanes = read.inner('lanes')
  const winners = read.inner('concentration')
  const reward = from.reward === undefined ? undefined : read.inner('reward')
  return {
    height: read.height('height'),
    datedHeight: read.height('datedHeight'),
    blockTimeMs: read.number('blockTimeMs'),
    rates: read.list('rates').map((rate) => ({
      fromHeight: rate.height('fromHeight'),
      toHeight: rate.height('toHeight'),
      blocks: rate.number('blocks'),
      value: rate.number('macsPerSecond'),
      low: rate.number('lowMacsPerSecond'),
      high: rate.number('highMacsPerSecond'),
    })),
    growth: from.growth === undefined ? undefined : growthOf(read.inner('growth')),
    workMacs: read.optional('workMacsPerBlock'),
    asks: capacity.number('asks'),
    askKeys: capacity.number('keys'),
    declaredMacs: capacity.number('declaredMacs'),
    roomMacs: capacity.number('roomMacs'),
    averageWorkMacs: capacity.number('averageWorkMacs'),
    lanes: {
      blocks: lanes.number('blocks'),
      paidBlocks: lanes.number('paidBlocks'),
      paidWorkShare: lanes.number('paidWorkShare'),
    },
    reward: reward && {
      blocks: reward.number('blocks'),
      grainsPerGmac: reward.number('rewardGrainsPerGmac'),
      cost: reward.optional('costGrainsPerGmac'),
    },
    winners: {
      blocks: winners.number('blocks'),
      keys: winners.number('keys'),
      effectiveKeys: winners.optional('effectiveKeys'),
      largest: winners.list('largest').map((key) => ({
        minerKey: key.hash('minerKey'),
        blocks: key.number('blocks'),
        declaredMacs: key.number('declaredMacsPerBlock'),
        value: key.number('share'),
        low: key.number('lowShare'),
        high: key.number('highShare'),
      })),
    },
    alarms: read.list('alarms').map((alarm) => ({
      code: alarm.code('code'),
      sinceHeight: alarm.height('sinceHeight'),
      lastHeight: alarm.height('lastHeight'),
      message: alarm.text('message'),
    })),
    blocksPerFalseAlarm: read.inner('test').number('blocksPerFalseAlarm'),
  }
}

const growthOf = (growth: Reader): Interval => ({
  value: growth.number('times'),
  low: growth.number('lowTimes'),
  high: growth.number('highTimes'),
})

interface Reader {
  number(name: string): number
  optional(name: string): number | undefined
  height(name: string): number
  hash(name: string): string
  text(name: string): string
  code(name: string): AlarmCode
  inner(name: string): Reader
  list(name: string): Reader[]
}

/** Reads fields of an answer by kind. */
function reader(base: string, what: string, from: Fields): Reader {
  const number = (name: string): number => field(base, what, from, name, isCount)
  return {
    number,
    optional: (name) => (from[name] === undefined ? undefined : number(name)),
    height: (name) => field(base, what, from, name, isHeight),
    hash: (name) => field(base, what, from, name, isHash),
    text: (name) => field(base, what, from, name, isText),
    code: (name) => field(base, what, from, name, isAlarmCode),
    inner: (name) => reader(base, `${what} ${name}`, fieldsOf(base, `${what} ${name}`, from[name])),
    list: (name) =>
      field(base, what, from, name, isList).map((entry) =>
        reader(base, `${what} ${name}`, fieldsOf(base, `${what} ${name}`, entry)),
      ),
  }
}
