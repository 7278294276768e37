/** Whatever bytes a packet consists of: a decoder answers, or throws an error of the protocol. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Capabilities } from '../../../dumpers/mysql/capabilities.ts'
import {
  decodeColumnDefinition,
  decodeEof,
  decodeErr,
  decodeOk,
  decodePrepareOk,
  decodeResultSetHeader,
} from '../../../dumpers/mysql/decode.ts'
import {
  decodeAuthSwitch,
  decodeChangeUser,
  decodeGreeting,
  decodeHandshakeResponse,
} from '../../../dumpers/mysql/decode-login.ts'
import { ProtocolError } from '../../../src/errors.ts'
import { MysqlCursor } from '../../../src/framing/mysql-cursor.ts'
import { runs } from '../../support/fuzz.ts'
import { backend, frontend } from '../../support/my-wire.ts'

const DECODERS: Readonly<Record<string, (body: MysqlCursor, capabilities: Capabilities) => object>> = {
  decodeAuthSwitch,
  decodeChangeUser,
  decodeColumnDefinition,
  decodeEof,
  decodeErr,
  decodeGreeting,
  decodeHandshakeResponse: (body, capabilities) => decodeHandshakeResponse(body, capabilities, true),
  decodeOk,
  decodePrepareOk,
  decodeResultSetHeader,
}

const LIKELY = [
  backend.greeting(),
  frontend.response41({ database: 'db', attrs: { a: '1' } }).subarray(4),
  frontend.changeUser({ database: 'db', attrs: { a: '1' } }).subarray(4),
  backend.ok({ info: 'info', changes: [['variable', 'name', 'value']] }),
  backend.column('name'),
  backend.err(1064, 'no'),
]

/** Packets with some bytes exchanged, and bytes by chance. */
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .tuple(fc.constantFrom(...LIKELY), fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))))
    .map(([bytes, changes]) => {
      const changed = Buffer.from(bytes)
      for (const [at, byte] of changes) changed[at % changed.length] = byte
      return changed
    }),
)
const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })

describe.each(Object.entries(DECODERS))('%s', (_, decode) => {
  test('answers or throws an error of the protocol, and reads nothing behind its payload', () => {
    fc.assert(
      fc.property(payload, word, word, (body, flags, mariadb) => {
        const bytes = Buffer.concat([Buffer.from([1, 2]), body, Buffer.alloc(300, 0x61)])
        const cursor = new MysqlCursor(bytes, 2, 2 + body.length)
        try {
          decode(cursor, { flags, mariadb })
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
        expect(cursor.at).toBeLessThanOrEqual(2 + body.length)
        expect(cursor.at).toBeGreaterThanOrEqual(2)
      }),
      runs(500),
    )
  })
})
