/** What passed through a live proxy before MariaDB was captured as well: both ways give the same audit. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import { mariadbConnector, mysql2 } from '../support/my-clients.ts'
import type { MyServer } from '../support/my-server.ts'
import { run, runOk, until } from '../support/programs.ts'
import { CLI, type Querytap, startQuerytap } from '../support/querytap.ts'
import { byClient, parseLines } from '../support/read-back.ts'
import type { AuditRecord } from '../support/records.ts'
import { canCapture, startTcpdump } from '../support/tcpdump.ts'

const TABLES = ['--tables=2', '--table-size=500', '--db-driver=mysql', '--mysql-db=shop']
const SCRIPTS = ['oltp_point_select', 'oltp_read_write', 'oltp_write_only']

const countOf = (records: readonly AuditRecord[], event: string): number =>
  records.filter((record) => record.event === event).length

if (await canCapture()) {
  await describeLive('read of MySQL', ['mariadb', 'sysbench'], () => {
    let server: MyServer
    let proxy: Querytap
    let directory: string
    let capture: string
    let proxied: AuditRecord[]

    const workload = async (): Promise<void> => {
      // mysql2 counts the ids of compressed packets in its own way, and says so
      vi.spyOn(console, 'error').mockImplementation(() => {})
      const { port } = proxy
      const target = [`--mysql-port=${port}`, '--mysql-host=127.0.0.1', '--mysql-user=root', ...TABLES]
      await runOk('sysbench', ['oltp_read_write', 'prepare', ...target])
      for (const script of SCRIPTS) {
        for (const mode of ['auto', 'disable'])
          await runOk('sysbench', [
            script,
            'run',
            ...target,
            '--threads=4',
            '--events=60',
            '--time=0',
            `--db-ps-mode=${mode}`,
          ])
      }
      await server.sql('DROP DATABASE shop; CREATE DATABASE shop')
      await mysql2({ port, database: 'shop' })
      await server.sql('DROP DATABASE shop; CREATE DATABASE shop')
      await mysql2({ port, database: 'shop', compress: true })
      await server.sql('DROP DATABASE shop; CREATE DATABASE shop')
      await mariadbConnector({ port, database: 'shop' })
    }

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'querytap-read-'))
      capture = join(directory, 'lo.pcap')
      server = await startMariaDb()
      await server.sql("CREATE USER changed IDENTIFIED BY 'sesame'; GRANT ALL ON *.* TO changed")
      await server.sql('CREATE DATABASE shop')
      proxy = await startQuerytap({ remote: server.port, dumper: 'mysql' })
      const tcpdump = await startTcpdump(capture, proxy.port)
      await workload()
      await until('the end of all sessions', () => {
        const records = proxy.records()
        return countOf(records, 'session.start') === countOf(records, 'session.end')
      })
      await tcpdump.stop()
      await proxy.stop()
      proxied = proxy.records()
    })
    afterAll(async () => {
      vi.restoreAllMocks()
      await proxy.stop()
      proxy.remove()
      await server.stop()
      rmSync(directory, { recursive: true, force: true })
    })

    const read = (...args: string[]) =>
      run(process.execPath, [CLI, 'read', capture, '-d', 'mysql', '-f', 'json', ...args], {
        cwd: directory,
      })

    test('finds in the capture what the proxy found in its sockets', async () => {
      const { code, stdout, stderr } = await read('-t', String(proxy.port))
      expect([code, stderr]).toEqual([0, ''])
      const captured = byClient(parseLines(stdout))
      const expected = byClient(proxied)
      expect([...captured.keys()].sort()).toEqual([...expected.keys()].sort())
      for (const [client, records] of expected) {
        for (const [index, record] of records.entries())
          expect(captured.get(client)?.[index]).toEqual(record)
        expect(captured.get(client)).toHaveLength(records.length)
      }
      expect(countOf(proxied, 'statement')).toBeGreaterThan(2000)
      expect(countOf(proxied, 'gap')).toBe(0)
    })
  })
} else test.skip('read of MySQL: packets cannot be captured here', () => {})
