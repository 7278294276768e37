/** The words by which a session's client is turned away while what it sent is held back. */
import { describe, expect, test } from 'vitest'
import type { Bytes } from '../../../src/flow.ts'
import type { Turn } from '../../support/canonical.ts'
import { LOGIN, packets } from '../../support/my-conversation.ts'
import { COMPRESSED, open, WHOLE, whole } from '../../support/my-intents.ts'
import {
  backend as b,
  compressed,
  frontend as f,
  packet,
  resultSet,
  SERVERS,
} from '../../support/my-wire.ts'

const OK = packets(1, b.ok())

describe('a refusal', () => {
  const refusal = { reason: 'log_blocked', message: 'the log cannot be written' }
  const error = (seq: number, is41 = true): Bytes =>
    packet(seq, b.err(1105, refusal.message, is41 ? 'HY000' : null))

  test('of a command that waits, and of the next one', () => {
    const { client, session, server, sent } = open()
    expect(session.refusal(refusal)).toEqual(error(1))
    client(f.query('do 1'))
    expect(session.refusal(refusal)).toEqual(error(1))
    sent()
    expect(session.refusal(refusal)).toBeUndefined()
    server(OK)
    expect(session.refusal(refusal)).toEqual(error(1))
  })

  test('is not said in the midst of a reply', () => {
    const { client, session, server, sent } = open()
    client(f.query('select 1'))
    sent()
    const rows = packets(1, ...resultSet(['a'], [b.textRow(['1'])]))
    for (let at = 0; at < rows.length; at++) {
      expect(session.refusal(refusal)).toBeUndefined()
      server(rows.subarray(at, at + 1))
    }
    expect(session.refusal(refusal)).toEqual(error(1))
  })

  test('of a command of several packets, or a part of it', () => {
    const { client, session } = open(LOGIN, { maxQueryBytes: 100 })
    client(whole(Buffer.alloc(WHOLE, '\x03')))
    expect(session.refusal(refusal)).toEqual(error(1))
    client(packet(1, Buffer.from('x')))
    expect(session.refusal(refusal)).toEqual(error(2))
  })

  test('compressed, is in a frame', () => {
    const { client, session } = open(COMPRESSED)
    client(compressed(0, f.query('do 1')))
    const refused = session.refusal(refusal) as Bytes
    expect(refused.readUIntLE(0, 3)).toBe(refused.length - 7)
    expect([refused[3], refused.readUIntLE(4, 3)]).toEqual([1, 0])
    expect(refused.subarray(7)).toEqual(error(1))
  })

  test('of a frame that nobody can read', () => {
    const { client, session } = open(COMPRESSED)
    client(Buffer.concat([Buffer.from([4, 0, 0, 0, 9, 0, 0]), Buffer.from('none')]))
    const refused = session.refusal({ reason: 'undecodable', message: 'no' }) as Bytes
    expect([refused[3], refused.subarray(7)]).toEqual([1, packet(1, b.err(1835, 'no'))])
  })

  test('in the log-in', () => {
    const [greeting, response] = LOGIN as [Turn, Turn]
    expect(open([]).session.refusal(refusal)).toEqual(error(0, false))
    const { session, server, client } = open([greeting, response])
    expect(session.refusal(refusal)).toEqual(error(2))
    server(packets(2, b.authSwitch()))
    client(f.authResponse(3))
    expect(session.refusal(refusal)).toEqual(error(4))
    server(packets(4, b.ok()).subarray(0, 5))
    expect(session.refusal(refusal)).toBeUndefined()
  })

  test('is none where TLS is spoken', () => {
    const { session, client } = open([{ from: 'backend', bytes: packets(0, b.greeting(SERVERS.mysql80)) }])
    client(f.sslRequest())
    expect(session.refusal(refusal)).toBeUndefined()
  })
})
