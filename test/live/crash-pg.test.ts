/** Issue 5: kill -9 at any moment loses no statement that the server has executed, and doubles none. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { type CrashLoad, pgLoad } from '../support/crash-load.ts'
import { testCrashes } from '../support/crash-tests.ts'
import { describeLive } from '../support/live.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'

let server: Postgres
let directory: string
let load: CrashLoad

beforeAll(async () => {
  server = await startPostgres()
  directory = mkdtempSync(join(tmpdir(), 'querytap-load-'))
  load = await pgLoad(server, directory)
})
afterAll(async () => {
  await server?.stop()
  if (directory) rmSync(directory, { recursive: true, force: true })
})

await describeLive('kill -9 before PostgreSQL', ['postgres'], () => testCrashes(() => load))
