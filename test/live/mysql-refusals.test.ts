import { createConnection } from 'mysql2/promise'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import { cliArguments, MARIADB_CLI, type MyServer } from '../support/my-server.ts'
import { freePort, run } from '../support/programs.ts'
import { type Querytap, startQuerytap } from '../support/querytap.ts'

let server: MyServer
let full: Querytap
let unreached: Querytap

const cli = (port: number) => run(MARIADB_CLI, [...cliArguments({ port }), '-e', 'SELECT 1'])
const mysql2 = (port: number) => createConnection({ host: '127.0.0.1', port, user: 'root' })

beforeAll(async () => {
  server = await startMariaDb()
  const config = { proxy: { maxConnections: 1 } }
  full = await startQuerytap({ remote: server.port, dumper: 'mysql', config })
  unreached = await startQuerytap({ remote: await freePort(), dumper: 'mysql' })
})

afterAll(async () => {
  await full?.stop()
  await unreached?.stop()
  await server?.stop()
  full?.remove()
  unreached?.remove()
})

await describeLive('clients of MySQL that are turned away', ['mariadb'], () => {
  // libmariadb says of any error in place of the greeting that it came before TLS, and quotes it
  test('over the limit: they say so in their own words', async () => {
    const first = await mysql2(full.port)
    try {
      expect((await cli(full.port)).stderr).toContain('1040 - too many connections')
      await expect(mysql2(full.port)).rejects.toMatchObject({ errno: 1040, code: 'ER_CON_COUNT_ERROR' })
    } finally {
      await first.end()
    }
    const ended = await full.waitFor((all) => all.filter((end) => end.event === 'session.end').length === 3)
    expect(ended.filter(({ end_reason }) => end_reason === 'connection_limit')).toHaveLength(2)
  })

  test('before a server that is not there', async () => {
    const message = 'could not connect to the database server: ECONNREFUSED'
    expect((await cli(unreached.port)).stderr).toContain(message)
    await expect(mysql2(unreached.port)).rejects.toMatchObject({ errno: 1429 })
  })
})
