import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import { HOSTILE_USER, hostileSession } from '../support/my-hostile.ts'
import { type MyStage, openStage } from '../support/my-stage.ts'

await describeLive('no bytes that a client sends make MariaDB run what has no record', ['mariadb'], () => {
  const SESSIONS = 80
  const AT_ONCE = 8
  let stage: MyStage

  beforeAll(async () => {
    // its log of errors has those of commands that need no record
    stage = await openStage(await startMariaDb(), { errors: undefined })
    await stage.freshDatabase()
    await stage.server.sql(
      `CREATE TABLE shop.kept (n BIGINT); CREATE USER ${HOSTILE_USER}; GRANT ALL ON shop.* TO ${HOSTILE_USER}`,
    )
  })

  afterAll(() => stage?.close())

  test(`${SESSIONS} seeded sessions of whole, broken and unknown commands, in random pieces`, async () => {
    const { findings, matched } = await stage.audited(async (port) => {
      for (let seed = 0; seed < SESSIONS; seed += AT_ONCE) {
        const sessions = Array.from({ length: AT_ONCE }, (_, index) => hostileSession(port, seed + index))
        await Promise.all(sessions)
      }
      return ''
    })
    expect(findings).toEqual([])
    expect(matched.query).toBeGreaterThan(SESSIONS)
    expect(matched.prepare).toBeGreaterThan(SESSIONS / 4)
    expect(matched.execute).toBeGreaterThan(0)
    expect(matched.command).toBeGreaterThan(SESSIONS)
  })
})
