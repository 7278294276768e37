/**
 * The servers are the judge of what their error messages quote: no message that one of them gives for a
 * statement with a secret holds any of it after redaction, wherever the quotation was cut.
 */
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { redact } from '../../src/audit/redact.ts'
import type { Statement } from '../../src/event.ts'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import type { MyServer } from '../support/my-server.ts'
import { startMysql56 } from '../support/mysql56.ts'
import { MYSQL_SECRETS } from '../support/secret-mysql.ts'
import { mysqlQuery, statement } from '../support/statements.ts'

const SECRET = 'hunter2'
/** long enough to be cut by the end of a quotation, or to be all of it */
const LENGTHS = [1, 3, 10, 20]
/** what makes servers refuse a statement at its beginning, at its end, or not */
const AROUND: readonly [string, string][] = [
  ['', ''],
  ['x ', ''],
  ['', ' x'],
]

const TEXTS = MYSQL_SECRETS.filter(([text]) => text.includes(SECRET)).flatMap(([text]) =>
  LENGTHS.flatMap((length) =>
    AROUND.map(([before, after]) => before + text.replaceAll(SECRET, SECRET.repeat(length)) + after),
  ),
)

const redacted = (text: string, error_message: string): Statement =>
  redact(statement({ text: mysqlQuery(text), outcome: 'error', error_message })) as Statement

const SERVERS = [
  ['MariaDB', 'mariadb', startMariaDb],
  ['MySQL 5.6', 'mysql56', startMysql56],
] as const

for (const [name, wanted, start] of SERVERS)
  await describeLive(`redaction of what ${name} says`, [wanted], () => {
    let server: MyServer
    let client: mysql.Connection

    beforeAll(async () => {
      server = await start()
      client = await mysql.createConnection({
        host: '127.0.0.1',
        port: server.port,
        user: 'root',
        multipleStatements: true,
      })
      await client.query('CREATE DATABASE d; USE d')
    })
    afterAll(async () => {
      await client?.end()
      await server?.stop()
    })

    test('quotes no secret', async () => {
      let judged = 0
      for (const text of TEXTS) {
        const message = await client.query(text).then(
          () => undefined,
          (error: Error) => error.message,
        )
        await client.query("SET PASSWORD FOR root@localhost = ''; SET sql_mode = ''").catch(() => {})
        if (!message?.includes('hun')) continue
        const event = redacted(text, message)
        // a secret that is not known as one in the text cannot be in what quotes it
        if (event.text?.text.includes('hun')) continue
        judged++
        expect(event.error_message, text).not.toMatch(/hun|unt|nter|ter2/)
      }
      expect(judged).toBeGreaterThan(TEXTS.length / 8)
    })
  })
