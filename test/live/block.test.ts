/** Issue 5: what happens while the log cannot be written, and what to sessions that cannot be decoded. */
import { afterAll, beforeAll } from 'vitest'
import { type FaultsServer, pgFaults } from '../support/faults-clients.ts'
import { testDirectories, testFullDisk, testPipe, testUndecodable } from '../support/faults-tests.ts'
import { describeLive } from '../support/live.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'

let postgres: Postgres
let server: FaultsServer

beforeAll(async () => {
  postgres = await startPostgres()
  server = await pgFaults(postgres)
})
afterAll(() => postgres?.stop())

await describeLive('a log that cannot be written, before PostgreSQL', ['postgres'], () => {
  testFullDisk(() => server)
  testDirectories(() => server)
  testPipe(() => server)
  testUndecodable(() => server)
})
