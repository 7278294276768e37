/** Issue 5: what happens while the log cannot be written, and what to sessions that cannot be decoded. */
import { afterAll, beforeAll } from 'vitest'
import { type FaultsServer, myFaults } from '../support/faults-clients.ts'
import { testFullDisk, testPipe, testUndecodable } from '../support/faults-tests.ts'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import type { MyServer } from '../support/my-server.ts'

let mariadb: MyServer
let server: FaultsServer

beforeAll(async () => {
  mariadb = await startMariaDb({ settings: { 'general-log': 0 } })
  server = await myFaults(mariadb)
})
afterAll(() => mariadb?.stop())

await describeLive('a log that cannot be written, before MariaDB', ['mariadb'], () => {
  testFullDisk(() => server)
  testPipe(() => server)
  testUndecodable(() => server)
})
