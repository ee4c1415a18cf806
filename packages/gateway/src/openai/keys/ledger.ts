/** What each key has spent: kept in SQLite, so that no restart gives a budget back. */
import { DatabaseSync } from 'node:sqlite'
import { GatewayConfigError } from '../config-error.ts'

const HOUR_MS = 3_600_000

/** What a job of a key may cost, and later has cost. */
export interface OpenCharge {
  readonly id: number
  readonly keyId: string
  /** What counts against the key now. */
  readonly grains: bigint
  /** The most that the job can cost. */
  readonly reservedGrains: bigint
  readonly createdMs: number
  /** Undefined until the job is posted. */
  readonly jobId: string | undefined
  /** Of the tip when the node had lost the job, and it was too late for it; 0 where that is not known. Undefined while it is not lost. */
  readonly lostHeight: number | undefined
}

export interface Spending {
  /** Reserved and spent in the window. */
  readonly grains: bigint
  readonly windowEndsMs: number
}

export interface BudgetedKey {
  readonly id: string
  readonly limitGrains: bigint
  readonly windowHours: number
}

const SCHEMA = `
  create table if not exists spent (
    key_id text not null, window_ms integer not null, grains integer not null, primary key (key_id, window_ms)
  ) without rowid;
  create table if not exists charge (
    id integer primary key autoincrement, key_id text not null, window_ms integer not null, grains integer not null,
    job_id text, created_ms integer not null
  );
`
/** What files of earlier versions lack. */
const COLUMNS = { reserved: 'integer', lost_height: 'integer' }

export class SpendingLedger {
  readonly #db: DatabaseSync
  readonly #nowMs: () => number

  /**
   * Throws GatewayConfigError where the file cannot be used, or another gateway has it open.
   * @param path a file, or `:memory:` where nothing has to outlive the process.
   */
  constructor(path: string, nowMs: () => number = Date.now) {
    this.#nowMs = nowMs
    try {
      this.#db = new DatabaseSync(path)
      // A charge that is lost would let a key spend it again; a second gateway would settle those of the first.
      this.#db.exec('pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = full;')
      this.#db.exec(SCHEMA)
      const known = new Set(
        this.#db
          .prepare('pragma table_info(charge)')
          .all()
          .map(({ name }) => name),
      )
      for (const [name, type] of Object.entries(COLUMNS))
        if (!known.has(name)) this.#db.exec(`alter table charge add column ${name} ${type}`)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      const hint = /locked/.test(why) ? ': another gateway has it open' : ''
      throw new GatewayConfigError(`cannot use the ledger ${path}: ${why}${hint}`, { cause: error })
    }
  }

  /**
   * Takes what several jobs may cost out of a key's window, all of it or nothing. Undefined if that is more than is left.
   * Windows begin at multiples of their length since 1970, a day at midnight UTC.
   */
  reserve(key: BudgetedKey, grains: readonly bigint[]): readonly number[] | undefined {
    const windowMs = this.#windowOf(key)
    const total = grains.reduce((sum, each) => sum + each, 0n)
    return this.#transaction(() => {
      if (this.#spentIn(key.id, windowMs) + total > key.limitGrains) return undefined
      this.#add(key.id, windowMs, total)
      const insert = this.#db.prepare(
        'insert into charge (key_id, window_ms, grains, reserved, created_ms) values (?, ?, ?, ?, ?) returning id',
      )
      return grains.map((each) => Number(insert.get(key.id, windowMs, each, each, this.#nowMs())!.id))
    })
  }

  /** Notes which job a charge is for, so that its cost can be asked for after a crash. */
  setJob(chargeId: number, jobId: string): void {
    this.#db.prepare('update charge set job_id = ? where id = ?').run(jobId, chargeId)
  }

  /** Notes that the node lost a charge's job when it was too late for it. @param height of the tip; 0 where that is not known. */
  setLost(chargeId: number, height: number): void {
    this.#db.prepare('update charge set lost_height = ? where id = ?').run(height, chargeId)
  }

  /** Counts another amount for a charge, in the window of its reservation. It stays open. */
  revise(chargeId: number, grains: bigint): void {
    this.#transaction(() => this.#count(chargeId, grains))
  }

  /** Replaces what a charge counts by what the job cost, for good. Does nothing the second time. */
  settle(chargeId: number, costGrains: bigint): void {
    this.#transaction(() => {
      this.#count(chargeId, costGrains)
      this.#db.prepare('delete from charge where id = ?').run(chargeId)
    })
  }

  spending(key: BudgetedKey): Spending {
    const windowMs = this.#windowOf(key)
    return { grains: this.#spentIn(key.id, windowMs), windowEndsMs: windowMs + key.windowHours * HOUR_MS }
  }

  /** Charges whose cost is not known yet, the oldest first. @param after id of the one before. */
  open(limit: number, after = 0): readonly OpenCharge[] {
    const rows = this.#db.prepare(
      'select id, key_id, grains, coalesce(reserved, grains) as reserved, job_id, lost_height, created_ms from charge ' +
        'where id > ? order by id limit ?',
    )
    rows.setReadBigInts(true)
    return rows.all(after, limit).map((row) => ({
      id: Number(row.id),
      keyId: String(row.key_id),
      grains: row.grains as bigint,
      reservedGrains: row.reserved as bigint,
      createdMs: Number(row.created_ms),
      jobId: row.job_id === null ? undefined : String(row.job_id),
      lostHeight: row.lost_height === null ? undefined : Number(row.lost_height),
    }))
  }

  /** How many charges are open. */
  get openCharges(): number {
    return Number(this.#db.prepare('select count(*) as charges from charge').get()!.charges)
  }

  /** Forgets windows that ended longer ago than any window lasts, and have no open charge. */
  prune(olderThanMs: number): void {
    this.#db
      .prepare(
        'delete from spent where window_ms < ? and not exists (select 1 from charge where charge.key_id = spent.key_id)',
      )
      .run(this.#nowMs() - olderThanMs)
  }

  close(): void {
    this.#db.close()
  }

  /** Does nothing where there is no such charge. */
  #count(chargeId: number, grains: bigint): void {
    const row = this.#db.prepare('select key_id, window_ms, grains from charge where id = ?')
    row.setReadBigInts(true)
    const charge = row.get(chargeId)
    if (charge === undefined) return
    this.#add(String(charge.key_id), Number(charge.window_ms), grains - (charge.grains as bigint))
    this.#db.prepare('update charge set grains = ? where id = ?').run(grains, chargeId)
  }

  #windowOf({ windowHours }: BudgetedKey): number {
    const lengthMs = windowHours * HOUR_MS
    return Math.floor(this.#nowMs() / lengthMs) * lengthMs
  }

  #spentIn(keyId: string, windowMs: number): bigint {
    const row = this.#db.prepare('select grains from spent where key_id = ? and window_ms = ?')
    row.setReadBigInts(true)
    return (row.get(keyId, windowMs)?.grains as bigint | undefined) ?? 0n
  }

  #add(keyId: string, windowMs: number, grains: bigint): void {
    this.#db
      .prepare(
        'insert into spent (key_id, window_ms, grains) values (?, ?, ?) ' +
          'on conflict (key_id, window_ms) do update set grains = grains + excluded.grains',
      )
      .run(keyId, windowMs, grains)
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec('begin immediate')
    try {
      const result = work()
      this.#db.exec('commit')
      return result
    } catch (error) {
      this.#db.exec('rollback')
      throw error
    }
  }
}
