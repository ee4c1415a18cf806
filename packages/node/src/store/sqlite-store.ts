import { DatabaseSync } from 'node:sqlite'
import type { StateChange } from '@nacre/protocol'
import { Packr } from 'msgpackr'
import {
  BLOCK_STATUS,
  type BlockEffect,
  type BlockStatus,
  type ChainStore,
  type IndexEntry,
  type StoredBlock,
  type TipMove,
} from '../ports/store.ts'

const SCHEMA = `
  create table if not exists block (
    id blob primary key, height integer not null, header blob not null, bytes blob not null, status integer not null
  ) without rowid;
  create index if not exists block_height on block (height);
  create table if not exists effect (block_id blob primary key, changes blob not null, lthash blob not null) without rowid;
  create table if not exists state (key text primary key, value blob not null) without rowid;
  create table if not exists meta (key text primary key, value blob not null) without rowid;
  create table if not exists transaction_at (id blob primary key, height integer not null) without rowid;
  create index if not exists transaction_height on transaction_at (height);
  create table if not exists job_end (id blob primary key, height integer not null) without rowid;
  create index if not exists job_end_height on job_end (height);
  create table if not exists note (key text primary key, value blob not null) without rowid;
`

/** msgpack is a storage format here, never hashed (CNV-1). */
const packr = new Packr({ useRecords: false })
const packChanges = (changes: readonly StateChange[]): Uint8Array =>
  packr.pack(changes.map((change) => [change.key, change.before ?? null, change.after ?? null]))
const unpackChanges = (bytes: Uint8Array): StateChange[] =>
  (packr.unpack(bytes) as [string, Uint8Array | null, Uint8Array | null][]).map(([key, before, after]) => ({
    key,
    before: before === null ? undefined : new Uint8Array(before),
    after: after === null ? undefined : new Uint8Array(after),
  }))

/**
 * The chain store on `node:sqlite`. Write-ahead log with full synchronisation at checkpoints: a killed process loses at
 * most the last transactions, never half of one.
 * @param path a file, or `:memory:`.
 */
export function createSqliteStore(path: string): ChainStore {
  const db = new DatabaseSync(path)
  db.exec('pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = off;')
  db.exec(SCHEMA)
  const sql = {
    index: db.prepare('select id, header, status from block order by height, id'),
    block: db.prepare('select id, height, header, bytes from block where id = ?'),
    putBlock: db.prepare('insert or ignore into block (id, height, header, bytes, status) values (?, ?, ?, ?, ?)'),
    setStatus: db.prepare('update block set status = ? where id = ?'),
    dropBytes: db.prepare("update block set bytes = x'' where id = ?"),
    effect: db.prepare('select changes, lthash from effect where block_id = ?'),
    putEffect: db.prepare('insert or replace into effect (block_id, changes, lthash) values (?, ?, ?)'),
    state: db.prepare('select value from state where key = ?'),
    states: db.prepare('select key, value from state order by key'),
    putState: db.prepare('insert or replace into state (key, value) values (?, ?)'),
    dropState: db.prepare('delete from state where key = ?'),
    statesFrom: db.prepare('select key, value from state where key >= ? and key < ? order by key limit ?'),
    transaction: db.prepare('select height from transaction_at where id = ?'),
    putTransaction: db.prepare('insert or replace into transaction_at (id, height) values (?, ?)'),
    dropTransactions: db.prepare('delete from transaction_at where height = ?'),
    jobEnd: db.prepare('select height from job_end where id = ?'),
    putJobEnd: db.prepare('insert or replace into job_end (id, height) values (?, ?)'),
    dropJobEnds: db.prepare('delete from job_end where height = ?'),
    meta: db.prepare('select value from meta where key = ?'),
    putMeta: db.prepare('insert or replace into meta (key, value) values (?, ?)'),
    note: db.prepare('select value from note where key = ?'),
    putNote: db.prepare('insert or replace into note (key, value) values (?, ?)'),
    dropNote: db.prepare('delete from note where key = ?'),
    notes: db.prepare('select key, value from note where key >= ? and key < ? order by key'),
  }
  const bytesOf = (row: Record<string, unknown> | undefined, column: string): Uint8Array | undefined =>
    row === undefined ? undefined : new Uint8Array(row[column] as Uint8Array)

  const transaction = (work: () => void): void => {
    db.exec('begin immediate')
    try {
      work()
      db.exec('commit')
    } catch (error) {
      db.exec('rollback')
      throw error
    }
  }
  const pairsOf = (rows: Record<string, unknown>[]): [string, Uint8Array][] =>
    rows.map((row) => [row.key as string, bytesOf(row, 'value')!])
  const setEntry = (key: string, value: Uint8Array | undefined): void => {
    if (value === undefined) sql.dropState.run(key)
    else sql.putState.run(key, value)
  }

  /** Of a store that was begun before there was an index: nothing says where its blocks' transactions are. */
  const firstIndexed = (): number => {
    const known = bytesOf(sql.meta.get('indexedFrom'), 'value')
    if (known !== undefined) return Number(new TextDecoder().decode(known))
    const tip = bytesOf(sql.meta.get('tip'), 'value')
    // Genesis is no stored block, and has no transactions.
    const height = tip === undefined ? 0 : 1 + Number(sql.block.get(tip)?.height ?? 0)
    sql.putMeta.run('indexedFrom', new TextEncoder().encode(String(height)))
    return height
  }
  const indexedFrom = firstIndexed()

  return {
    index: () =>
      sql.index.all().map(
        (row): IndexEntry => ({
          id: bytesOf(row, 'id')!,
          headerBytes: bytesOf(row, 'header')!,
          status: row.status as BlockStatus,
        }),
      ),
    block: (id) => {
      const row = sql.block.get(id)
      if (row === undefined || bytesOf(row, 'bytes')!.length === 0) return undefined
      return {
        id: bytesOf(row, 'id')!,
        height: row.height as number,
        headerBytes: bytesOf(row, 'header')!,
        bytes: bytesOf(row, 'bytes')!,
      } satisfies StoredBlock
    },
    putBlock: (block) => {
      sql.putBlock.run(block.id, block.height, block.headerBytes, block.bytes, BLOCK_STATUS.candidate)
    },
    setStatus: (id, status) => {
      sql.setStatus.run(status, id)
      // An invalid block is remembered by its header alone: nobody asks for its body, and it must not fill the disk.
      if (status === BLOCK_STATUS.invalid) sql.dropBytes.run(id)
    },
    effect: (id) => {
      const row = sql.effect.get(id)
      if (row === undefined) return undefined
      return { changes: unpackChanges(bytesOf(row, 'changes')!), ltHash: bytesOf(row, 'lthash')! } satisfies BlockEffect
    },
    stateEntry: (key) => bytesOf(sql.state.get(key), 'value'),
    stateEntries: () => pairsOf(sql.states.all()),
    stateEntriesFrom: (prefix, limit) => pairsOf(sql.statesFrom.all(prefix, endOf(prefix), limit)),
    transactionHeight: (id) => sql.transaction.get(id)?.height as number | undefined,
    jobEndHeight: (id) => sql.jobEnd.get(id)?.height as number | undefined,
    indexedFrom: () => indexedFrom,
    identity: () => {
      const chainId = bytesOf(sql.meta.get('chainId'), 'value')
      const tip = bytesOf(sql.meta.get('tip'), 'value')
      return chainId === undefined || tip === undefined ? undefined : { chainId, tip }
    },
    initialise: (chainId, genesisId, effect) => {
      transaction(() => {
        sql.putMeta.run('chainId', chainId)
        sql.putMeta.run('tip', genesisId)
        sql.putEffect.run(genesisId, packChanges(effect.changes), effect.ltHash)
        for (const change of effect.changes) setEntry(change.key, change.after)
      })
    },
    move: (move: TipMove) => {
      transaction(() => {
        for (const { height, effect } of move.leaving) {
          for (const change of effect.changes) setEntry(change.key, change.before)
          sql.dropTransactions.run(height)
          sql.dropJobEnds.run(height)
        }
        for (const { id, height, effect, index } of move.joining) {
          for (const each of index.transactionIds) sql.putTransaction.run(each, height)
          for (const each of index.endedJobIds) sql.putJobEnd.run(each, height)
          for (const change of effect.changes) setEntry(change.key, change.after)
          sql.putEffect.run(id, packChanges(effect.changes), effect.ltHash)
          sql.setStatus.run(BLOCK_STATUS.valid, id)
        }
        sql.putMeta.run('tip', move.tip)
      })
    },
    note: (key) => bytesOf(sql.note.get(key), 'value'),
    setNote: (key, value) => {
      sql.putNote.run(key, value)
    },
    dropNote: (key) => {
      sql.dropNote.run(key)
    },
    notes: (prefix) => pairsOf(sql.notes.all(prefix, endOf(prefix))),
    close: () => {
      db.close()
    },
  }
}

/** The least text above all that begin with `prefix`: keys are ASCII. */
const endOf = (prefix: string): string => `${prefix}\u007f`
