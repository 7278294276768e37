/** A server of MySQL's family, querytap before it, and what both say of a workload. */
import { compareWithMyServer, type MyComparison, type ServerHabits } from './my-oracle.ts'
import type { MyServer } from './my-server.ts'
import { type Querytap, type QuerytapOptions, startQuerytap } from './querytap.ts'
import type { AuditRecord } from './records.ts'

const countOf = (records: readonly AuditRecord[], event: string): number =>
  records.filter((record) => record.event === event).length
const allEnded = (records: readonly AuditRecord[]): boolean =>
  countOf(records, 'session.start') === countOf(records, 'session.end')

/** What a workload gave, and what the audit and the server's log say of it. */
export interface Audited extends MyComparison {
  readonly result: string
  readonly records: readonly AuditRecord[]
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
}

/** Users `root` and `changed` (password `sesame`) are there. `close()` ends the server too. */
export const openStage = async (server: MyServer, options: StageOptions = {}): Promise<MyStage> => {
  await server.sql("CREATE USER changed IDENTIFIED BY 'sesame'; GRANT ALL ON *.* TO changed")
  const { config = {}, ...habits } = options
  const tap = await startQuerytap({ remote: server.port, dumper: 'mysql', config })
  const freshDatabase = async () => {
    await server.sql('DROP DATABASE IF EXISTS shop; CREATE DATABASE shop')
  }
  const audited = async (workload: (port: number) => Promise<string>): Promise<Audited> => {
    const entriesBefore = (await server.readLog()).length
    const errorsBefore = server.readErrors()?.length ?? 0
    const recordsBefore = (await tap.waitFor(allEnded)).length
    const result = await workload(tap.port)
    const entries = (await server.readLog()).slice(entriesBefore)
    const errors = server.readErrors()?.slice(errorsBefore)
    const all = await tap.waitFor((found) => found.length > recordsBefore && allEnded(found))
    const records = all.slice(recordsBefore)
    return { result, records, ...compareWithMyServer(entries, records, { errors, ...habits }) }
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
