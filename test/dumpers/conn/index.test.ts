import { expect, test } from 'vitest'
import { conn } from '../../../dumpers/conn/index.ts'
import { NO_EVENTS } from '../../../src/event.ts'
import type { SessionContext } from '../../../src/session.ts'

test('no chunk gives a record, and what passed is counted as undecoded', () => {
  const session = conn.open({} as SessionContext)
  expect(session.feed('frontend', Buffer.from('SELECT 1'), 1)).toBe(NO_EVENTS)
  expect(session.feed('backend', Buffer.from('no'), 2)).toBe(NO_EVENTS)
  expect(session.gap('backend', 5, 3)).toBe(NO_EVENTS)
  expect(session.close(4)).toBe(NO_EVENTS)
  expect(session.totals).toEqual({
    who: { dialect: 'conn' },
    statements: 0,
    undecodedIn: 8,
    undecodedOut: 7,
  })
  expect(session.login).toBe('opaque')
  expect(conn).toMatchObject({ name: 'conn' })
  expect(conn.defaultPort).toBeUndefined()
})
