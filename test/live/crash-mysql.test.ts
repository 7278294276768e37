/** Issue 5: kill -9 at any moment loses no statement that the server has executed, and doubles none. */
import { afterAll, beforeAll } from 'vitest'
import { type CrashLoad, myLoad } from '../support/crash-load.ts'
import { testCrashes } from '../support/crash-tests.ts'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import type { MyServer } from '../support/my-server.ts'

let server: MyServer
let load: CrashLoad

beforeAll(async () => {
  server = await startMariaDb({ settings: { 'general-log': 0 } })
  load = await myLoad(server)
})
afterAll(() => server?.stop())

await describeLive('kill -9 before MariaDB', ['mariadb', 'sysbench'], () => testCrashes(() => load))
