import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import { cliArguments, MARIADB_CLI, type MyServer } from '../support/my-server.ts'
import { startMysql56 } from '../support/mysql56.ts'
import { accepts, run } from '../support/programs.ts'

const script = "SELECT 'é\n\\0';\nSELECT * FROM nowhere;\nUSE mysql\nSELECT 1;\n"

const logged = async (server: MyServer) => {
  const { stdout, stderr } = await run(
    MARIADB_CLI,
    [...cliArguments(server), '--force', '--batch', '--skip-column-names'],
    { input: script },
  )
  await server.sql('SELECT 2')
  const entries = await server.readLog()
  const texts = entries.map(({ command, text }) => `${command}: ${text}`)
  return { output: `${stdout}${stderr}`, texts }
}

const leavesNothing = async (server: MyServer): Promise<void> => {
  await server.stop()
  expect(existsSync(server.dataDir)).toBe(false)
  expect(await accepts({ port: server.port })).toBe(false)
}

await describeLive('the MySQL servers of the live tests: MariaDB', ['mariadb'], () => {
  test('answers, logs commands and errors by session, and leaves nothing behind', async () => {
    const server = await startMariaDb()
    expect(await server.sql('SELECT @@character_set_server, @@version LIKE "%MariaDB%"')).toBe(
      'utf8mb4\t1\n',
    )
    const { output, texts } = await logged(server)
    expect(output).toContain('é\\n\\0\n')
    expect(output).toContain('ERROR 1046')
    expect(texts).toEqual([
      'Connect: root@127.0.0.1 on  using TCP/IP',
      "Query: SELECT 'é\n\\0'",
      'Query: SELECT * FROM nowhere',
      'Query: SELECT DATABASE()',
      'Init DB: mysql',
      'Query: SELECT 1',
      'Quit: ',
    ])
    const [connect] = await server.readLog()
    const told = server.readErrors()?.filter(({ thread }) => thread === connect?.thread)
    expect(told?.map(({ number }) => number)).toEqual([1046])
    await leavesNothing(server)
  })
})

await describeLive('the MySQL servers of the live tests: MySQL 5.6', ['mysql56', 'mariadb'], () => {
  test('answers, logs commands, and leaves nothing behind', async () => {
    const server = await startMysql56()
    expect(await server.sql('SELECT @@character_set_server, LEFT(@@version, 4)')).toBe('utf8mb4\t5.6.\n')
    const { output, texts } = await logged(server)
    expect(output).toContain('ERROR 1046')
    expect(texts).toContain("Query: SELECT 'é\n\\0'")
    expect(texts).toContain('Init DB: mysql')
    await leavesNothing(server)
  })
})
