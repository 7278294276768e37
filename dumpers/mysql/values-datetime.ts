/**
 * Binary dates and times as the server prints them: what it would not take as one is printed as sent.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html}
 */
import type { MysqlCursor } from '../../src/framing/mysql-cursor.ts'

const pad = (value: number, digits: number): string => String(value).padStart(digits, '0')

/** `.123456`; nothing for none. */
const fraction = (micros: number): string => (micros === 0 ? '' : `.${pad(micros, 6)}`)

const readClock = (body: MysqlCursor): string =>
  `${pad(body.uint8(), 2)}:${pad(body.uint8(), 2)}:${pad(body.uint8(), 2)}`

const readDay = (body: MysqlCursor): string =>
  `${pad(body.uint16(), 4)}-${pad(body.uint8(), 2)}-${pad(body.uint8(), 2)}`

/** uint16 year, uint8 month, uint8 day; the time that may follow is not a DATE's. Nothing: zeros. */
export const readDate = (body: MysqlCursor, length: number): string | undefined => {
  switch (length) {
    case 0:
      return '0000-00-00'
    case 4:
    case 7:
    case 11:
      return readDay(body)
    default:
      return undefined
  }
}

/** A date, and uint8 hour, minute, second, and uint32 microseconds: each may be left out when it is 0. */
export const readDatetime = (body: MysqlCursor, length: number): string | undefined => {
  switch (length) {
    case 0:
      return '0000-00-00 00:00:00'
    case 4:
      return `${readDay(body)} 00:00:00`
    case 7:
      return `${readDay(body)} ${readClock(body)}`
    case 11:
      return `${readDay(body)} ${readClock(body)}${fraction(body.uint32())}`
    default:
      return undefined
  }
}

/** uint8 negative, uint32 days, uint8 hour, minute, second, and uint32 microseconds when not 0. */
export const readTime = (body: MysqlCursor, length: number): string | undefined => {
  if (length === 0) return '00:00:00'
  if (length !== 8 && length !== 12) return undefined
  const sign = body.uint8() === 0 ? '' : '-'
  const hours = body.uint32() * 24 + body.uint8()
  const clock = `${sign}${pad(hours, 2)}:${pad(body.uint8(), 2)}:${pad(body.uint8(), 2)}`
  return length === 8 ? clock : clock + fraction(body.uint32())
}
