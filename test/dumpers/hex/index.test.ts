import { expect, test } from 'vitest'
import { hex, LONGEST_PIECE } from '../../../dumpers/hex/index.ts'
import type { MessageEvent } from '../../../src/event.ts'
import type { SessionContext } from '../../../src/session.ts'

const open = () => hex.open({} as SessionContext)
const fieldsOf = (bytes: Buffer) =>
  open()
    .feed('frontend', bytes, 7)
    .map((event) => (event as MessageEvent).fields)

test('a chunk is a record with the bytes and the ASCII of a hex dump, as tcpdp writes them', () => {
  const chunk = Buffer.from('\x14\0\0\0\x03select * from posts~\x7f\xe9', 'latin1')
  expect(open().feed('frontend', chunk, 7)).toEqual([
    {
      event: 'message',
      at: 7,
      who: { dialect: 'hex' },
      direction: '->',
      fields: {
        bytes: '14 00 00 00 03 73 65 6c 65 63 74 20 2a 20 66 72 6f 6d 20 70 6f 73 74 73 7e 7f e9',
        ascii: '.....select * from posts~..',
      },
    },
  ])
})

test('the direction is told, each chunk alone, and every byte value spelt', () => {
  const session = open()
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const [event] = session.feed('backend', bytes, 1)
  expect(event).toMatchObject({ direction: '<-', at: 1 })
  const { bytes: spelt, ascii } = (event as MessageEvent).fields
  expect(Buffer.from(String(spelt).replaceAll(' ', ''), 'hex')).toEqual(bytes)
  expect(String(ascii)).toHaveLength(256)
  expect(session.feed('frontend', Buffer.from('a'), 2)).toMatchObject([
    { fields: { bytes: '61', ascii: 'a' } },
  ])
  expect(session.feed('frontend', Buffer.alloc(0), 2)).toEqual([])
})

test('a long chunk becomes several records', () => {
  const bytes = Buffer.alloc(2 * LONGEST_PIECE + 1, 'ab')
  const records = fieldsOf(bytes)
  expect(records.map(({ ascii }) => String(ascii).length)).toEqual([LONGEST_PIECE, LONGEST_PIECE, 1])
  expect(records.map(({ ascii }) => ascii).join('')).toBe(bytes.toString())
})

test('lost bytes are a gap', () => {
  expect(open().gap('backend', 12, 3)).toEqual([
    { event: 'gap', at: 3, who: { dialect: 'hex' }, gap_reason: 'lost', direction: '<-', gap_bytes: 12 },
  ])
})

test('it is chosen for no port, and does not wait for a log-in', () => {
  const session = open()
  expect(hex.defaultPort).toBeUndefined()
  expect(session.login).toBe('opaque')
  expect(session.close(1)).toEqual([])
})
