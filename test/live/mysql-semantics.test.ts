/**
 * Raw packets through the proxy to real servers: what they do with odd ones is taken from their own log and
 * answers, and compared with what the audit says of them. All lines of the audit are in semantics/*.txt; run with
 * `-u` to write them anew, and read the difference.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import type { HostileClient } from '../support/my-hostile-client.ts'
import { judge, play, type Scenario } from '../support/my-scenario.ts'
import { COMMANDS } from '../support/my-scenarios-commands.ts'
import { FILES } from '../support/my-scenarios-files.ts'
import { FRAMES } from '../support/my-scenarios-frames.ts'
import { LOGINS } from '../support/my-scenarios-logins.ts'
import { SESSIONS } from '../support/my-scenarios-sessions.ts'
import { STATEMENTS } from '../support/my-scenarios-statements.ts'
import type { MyServer } from '../support/my-server.ts'
import { startMysql56 } from '../support/mysql56.ts'
import { type Querytap, startQuerytap } from '../support/querytap.ts'
import type { AuditRecord } from '../support/records.ts'

const SCHEMA = `CREATE DATABASE shop;
USE shop;
CREATE TABLE t (i INT, s VARCHAR(200)) ENGINE=InnoDB;
CREATE TABLE u (i INT PRIMARY KEY) ENGINE=InnoDB;
CREATE TABLE f (s LONGTEXT);
CREATE USER changed IDENTIFIED BY 'sesame';
GRANT ALL ON *.* TO changed;
DELIMITER //
CREATE PROCEDURE several() BEGIN SELECT 1; SELECT 2; END//
CREATE PROCEDURE fails() BEGIN SELECT 1; SELECT * FROM nowhere; SELECT 3; END//
CREATE PROCEDURE outs(OUT o INT) BEGIN SELECT 1; SET o = 5; END//
`

const SERVERS = [
  ['mariadb', startMariaDb],
  ['mysql56', startMysql56],
] as const

const GROUPS: readonly (readonly [string, readonly Scenario[]])[] = [
  ['cases 45, 46, 59, 60: commands, whole and broken', COMMANDS],
  ['cases 32 to 36, 47, 66, 69: statements', STATEMENTS],
  ['cases 42, 48: files', FILES],
  ['cases 28, 39 to 41, 44, 49: sessions', SESSIONS],
  ['cases 28, 63, 64: log-ins', LOGINS],
  ['cases 37, 38, 61: packets and frames', FRAMES],
]

const countOf = (records: readonly AuditRecord[], event: string): number =>
  records.filter((record) => record.event === event).length

/** Control characters by their symbols. */
const visible = (line: string): string =>
  line.replace(/[\0-\x1f]/g, (char) => String.fromCharCode(0x2400 + char.charCodeAt(0)))

type Log = Parameters<typeof judge>[2]

for (const [name, start] of SERVERS) {
  await describeLive(`what ${name} does with raw packets, the audit tells`, [name], () => {
    let server: MyServer
    let tap: Querytap
    let log: Log
    const played = new Map<Scenario, HostileClient | Error>()
    const told: string[] = []
    const own = (scenarios: readonly Scenario[]) => scenarios.filter(({ on = name }) => on === name)

    beforeAll(async () => {
      server = await start({ settings: { 'max-allowed-packet': '64M' } })
      await server.sql(SCHEMA)
      // what cannot be decoded goes on, so that it can be told what came of it
      const config = { dumpLog: { onUndecodable: 'pass' } }
      tap = await startQuerytap({ remote: server.port, dumper: 'mysql', config })
      for (const [, scenarios] of GROUPS)
        for (const scenario of own(scenarios))
          played.set(scenario, await play(tap.port, scenario).catch((error: Error) => error))
      const entries = await server.readLog()
      const records = await tap.waitFor((all) => countOf(all, 'session.end') >= played.size)
      log = { entries, records }
    })

    afterAll(async () => {
      await tap?.stop()
      await server?.stop()
      tap?.remove()
    })

    describe.each(GROUPS)('%s', (_, scenarios) => {
      test.each(own(scenarios).map((scenario) => [scenario.name, scenario] as const))(
        '%s',
        (title, scenario) => {
          const client = played.get(scenario)
          if (client === undefined || client instanceof Error) throw client
          const habits = { hidesCursors: name === 'mysql56' }
          const { lines, again, findings } = judge(scenario, client, log, habits)
          told.push(`# ${title}\n`, ...lines.map((line) => `${visible(line)}\n`), '\n')
          expect(findings).toEqual([])
          expect(again).toEqual(lines)
        },
      )
    })

    test('and its words are those of before', async () => {
      await expect(told.join('')).toMatchFileSnapshot(`./semantics/${name}.txt`)
    })
  })
}
