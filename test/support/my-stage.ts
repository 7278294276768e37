/** A server of MySQL's family, querytap before it, and what both say of a workload. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GeneralLogEntry } from './my-log.ts'
import { compareWithMyServer, type MyComparison, type ServerHabits } from './my-oracle.ts'
import type { MyServer } from './my-server.ts'
import { until } from './programs.ts'
import { type Querytap, type QuerytapOptions, startQuerytap } from './querytap.ts'
import { type AuditRecord, logFiles } from './records.ts'

/** Gives at each call the records that were written since the one before: tests write many thousands. */
const recordsSince = (directory: string): (() => AuditRecord[]) => {
  let from = 0
  return () => {
    const [file] = logFiles(directory)
    if (!file) return []
    const bytes = readFileSync(join(directory, file)).subarray(from)
    const end = bytes.lastIndexOf('\n') + 1
    from += end
    const lines = bytes.toString('utf8', 0, end).split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as AuditRecord)
  }
}

const countOf = (records: readonly AuditRecord[], event: string): number =>
  records.filter((record) => record.event === event).length
/** Have as many sessions begun as the server knows of, and have all of them ended? */
const allEnded = (records: readonly AuditRecord[], entries: readonly GeneralLogEntry[]): boolean => {
  const begun = countOf(records, 'session.start')
  const known = new Set(entries.map(({ thread }) => thread)).size
  return begun >= known && begun === countOf(records, 'session.end')
}

/** What a workload gave, and what the audit and the server's log say of it. */
export interface Audited extends MyComparison {
  readonly result: string
  readonly records: readonly AuditRecord[]
  /** rows that the server counted as sent, those fetched from cursors aside; undefined where it does not count */
  readonly rowsSent: number | undefined
}

export interface MyStage {
  readonly server: MyServer
  readonly tap: Querytap
  /** an empty database `shop` */
  freshDatabase(): Promise<void>
  /** runs it on the proxy's port, and puts what the server logged of it beside our records */
  audited(workload: (port: number) => Promise<string>): Promise<Audited>
  /** runs it directly and through the proxy, both times on a fresh database */
  twice(workload: (port: number) => Promise<string>): Promise<Audited & { readonly expected: string }>
  close(): Promise<void>
}

/** Options of the program, and what the server does in its own way. */
export interface StageOptions extends ServerHabits {
  readonly config?: QuerytapOptions['config']
  /** MariaDB can count what it sends to each client */
  readonly countsRows?: boolean
}

/** A connection whose server has gone is kept for a minute, for what its client may still have to say. */
const MOST_LINGERING = 90_000

const ROWS_SENT = "SELECT ROWS_SENT FROM information_schema.client_statistics WHERE CLIENT = '127.0.0.1'"

/** Users `root` and `changed` (password `sesame`) are there. `close()` ends the server too. */
export const openStage = async (server: MyServer, options: StageOptions = {}): Promise<MyStage> => {
  try {
    return await setUp(server, options)
  } catch (error) {
    await server.stop()
    throw error
  }
}

const setUp = async (server: MyServer, options: StageOptions): Promise<MyStage> => {
  await server.sql("CREATE USER changed IDENTIFIED BY 'sesame'; GRANT ALL ON *.* TO changed")
  const { config = {}, countsRows = false, ...habits } = options
  if (countsRows) await server.sql('SET GLOBAL userstat = 1')
  const tap = await startQuerytap({ remote: server.port, dumper: 'mysql', config })
  const freshDatabase = async () => {
    await server.sql('DROP DATABASE IF EXISTS shop; CREATE DATABASE shop')
  }
  const next = recordsSince(tap.directory)
  const audited = async (workload: (port: number) => Promise<string>): Promise<Audited> => {
    const entriesBefore = (await server.readLog()).length
    const errorsBefore = server.readErrors()?.length ?? 0
    const records: AuditRecord[] = []
    next()
    if (countsRows) await server.sql('FLUSH CLIENT_STATISTICS')
    const result = await workload(tap.port)
    const entries = (await server.readLog()).slice(entriesBefore)
    const rowsSent = countsRows ? Number(await server.sql(ROWS_SENT)) : undefined
    const errors = server.readErrors()?.slice(errorsBefore)
    const ended = () => {
      records.push(...next())
      return records.length > 0 && allEnded(records, entries)
    }
    await until('the end of all sessions in the audit', ended, MOST_LINGERING)
    return { result, records, rowsSent, ...compareWithMyServer(entries, records, { errors, ...habits }) }
  }
  return {
    server,
    tap,
    freshDatabase,
    audited,
    twice: async (workload) => {
      await freshDatabase()
      const expected = await workload(server.port)
      await freshDatabase()
      return { expected, ...(await audited(workload)) }
    },
    close: async () => {
      await tap.stop()
      await server.stop()
      tap.remove()
    },
  }
}
