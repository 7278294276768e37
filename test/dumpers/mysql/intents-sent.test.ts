/** What waited before it was sent on, and what never was. */
import { describe, expect, test } from 'vitest'
import { canonical } from '../../support/canonical.ts'
import { LOGIN, packets } from '../../support/my-conversation.ts'
import { kinds, open, recordsIn } from '../../support/my-intents.ts'
import { backend as b, frontend as f, prepared, resultSet } from '../../support/my-wire.ts'

const OK = packets(1, b.ok())

describe('what is sent on', () => {
  test('takes its time from there', () => {
    const { client, server, sent, tick } = open()
    client(f.query('do 1'))
    tick(100)
    sent()
    tick(9)
    expect(recordsIn(server(OK))[0]).toMatchObject({ at: 4, gate_wait_us: 100, duration_us: 10 })
  })

  test('runs from there on', () => {
    const { client, session, sent } = open()
    client(f.query('do 1'))
    expect(session.stillOpen(100)).toEqual([])
    sent(50)
    expect(session.stillOpen(49)).toEqual([])
    expect(kinds(session.stillOpen(50))).toEqual(['statement.open'])
  })

  test('each for itself, where they wait for one another', () => {
    const { client, server, sent, tick } = open()
    client(f.query('do 1'), f.prepare('do 2'))
    sent()
    client(f.query('do 3'))
    tick(50)
    sent()
    const events = server(OK, packets(1, ...prepared(1, 0, [])), OK)
    expect(events.map((event) => canonical(event).duration_us)).toEqual([52, 52, 1])
    expect(recordsIn(events).map(({ gate_wait_us }) => gate_wait_us)).toEqual([0, 50])
  })

  test('and what is not never ran', () => {
    const { client, sent, close } = open(LOGIN, { maxQueue: 2 })
    client(f.query('do 1'))
    sent()
    client(f.query('do 2'), f.query('do 3'), f.prepare('do 4'))
    const events = close()
    expect(recordsIn(events).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['unknown', undefined],
      ['skipped', 'not_forwarded'],
      ['skipped', 'not_forwarded'],
    ])
    expect(events.find(({ event }) => event === 'prepare')).toMatchObject({
      outcome: 'skipped',
      stmt_seq: 4,
    })
  })

  test('a change of user too', () => {
    const { client, close } = open()
    client(f.changeUser({ user: 'bob' }), f.query('do 1'))
    const events = close().map((event) => canonical(event))
    expect(events.find(({ event }) => event === 'change_user')).toMatchObject({
      ...{ outcome: 'skipped', reason: 'not_forwarded', new_username: 'bob' },
      who: expect.objectContaining({ username: 'alice' }),
    })
    expect(events.find(({ event }) => event === 'statement')).toMatchObject({ outcome: 'skipped' })
  })

  test('chunk by chunk, of a full queue too', () => {
    const { client, session, close } = open(LOGIN, { maxQueue: 1 })
    client(f.query('do 1'))
    client(f.query('do 2'))
    client(f.query('do 3'))
    session.sent(9, f.query('do 3').length)
    expect(recordsIn(close()).map(({ outcome }) => outcome)).toEqual(['unknown', 'skipped', 'skipped'])
    const other = open()
    other.client(f.query('do 1'))
    other.client(f.query('do 2'))
    other.session.sent(30, f.query('do 2').length)
    other.session.sent(40)
    const sentAt = recordsIn(other.server(OK, OK)).map(
      ({ at, gate_wait_us }) => Number(at) + Number(gate_wait_us),
    )
    expect(sentAt).toEqual([30, 40])
  })

  test('and rows that were not fetched are those of a statement that ran', () => {
    const { client, server, sent, close } = open()
    client(f.prepare('select 1'))
    server(packets(1, ...prepared(5, 0, ['a'])))
    client(f.execute(5, [], { flags: 1 }))
    sent()
    server(packets(1, ...resultSet(['a'], [], { status: 2 | 64 }).slice(0, 3)))
    client(f.fetch(5, 1))
    expect(recordsIn(close())).toEqual([
      expect.objectContaining({ stmt_seq: 2, outcome: 'success', reason: 'connection_closed' }),
    ])
  })

  test.each([
    ['nothing before it', [f.query('do 1')], 0],
    ['what starts nothing', [f.ping(), f.close(3), f.query('do 1'), f.query('do 2')], 14],
    ['what waits with it', [f.prepare('do 1'), f.query('do 2')], 0],
  ])('begins behind %s', (_, bytes, expected) => {
    const { client, session } = open()
    client(...bytes)
    expect(session.heldFrom).toBe(expected)
  })

  test('begins at 0 where the chunk goes on with a command', () => {
    const { client, session } = open()
    const query = f.query('do 1')
    client(query.subarray(0, 6))
    client(query.subarray(6), f.query('do 2'))
    expect(session.heldFrom).toBe(0)
  })
})
