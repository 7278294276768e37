/**
 * Commands that are numbers and names in binary, in words: what stands for a text in their records.
 * {@link https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication.html}
 * {@link https://mariadb.com/kb/en/com_register_slave/}
 */
import type { QueryText } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import type { MysqlCursor } from '../../src/framing/mysql-cursor.ts'
import { makeText, type TextForm } from '../common/query-text.ts'
import { type TextDecoding, UTF8 } from '../common/text-decoding.ts'
import { COM } from './capabilities.ts'

/** Most intervals of a GTID set that are said. */
const MAX_INTERVALS = 1000

const said = (words: readonly string[], form: TextForm): QueryText => {
  const bytes = Buffer.from(words.filter((word) => word !== '').join(' '))
  return makeText(bytes, 0, bytes.length, UTF8, form)
}

/**
 * What COM_BINLOG_DUMP, COM_BINLOG_DUMP_GTID, COM_REGISTER_SLAVE, COM_TABLE_DUMP and COM_REFRESH ask for;
 * undefined for any other. `body` is behind the code. A password is stepped over. Throws where the body
 * breaks.
 */
export const sayCommand = (
  code: number,
  body: MysqlCursor,
  decoding: TextDecoding,
  form: TextForm,
): QueryText | undefined => {
  switch (code) {
    case COM.BINLOG_DUMP:
      return said(binlogDump(body, decoding), form)
    case COM.BINLOG_DUMP_GTID:
      return said(binlogDumpGtid(body, decoding), form)
    case COM.REGISTER_SLAVE:
      return said(registerSlave(body, decoding), form)
    case COM.TABLE_DUMP:
      return said([decoding.text(short(body)), decoding.text(short(body))], form)
    case COM.REFRESH:
      return said(refreshed(body.uint8()), form)
    default:
      return undefined
  }
}

/** uint32 position, uint16 flags, uint32 server id, file name to the end. */
const binlogDump = (body: MysqlCursor, decoding: TextDecoding): string[] => {
  const position = body.uint32()
  body.skip(2)
  const serverId = body.uint32()
  const file = decoding.text(body.bytes(body.left))
  return [file, `position ${position}`, `server_id ${serverId}`]
}

/**
 * uint16 flags, uint32 server id, uint32 length and file name, uint64 position, uint32 length and the GTIDs
 * that the replica has: uint64 count of sources, each 16 bytes of its UUID, uint64 count of intervals, each
 * int64 first and int64 one behind the last.
 */
const binlogDumpGtid = (body: MysqlCursor, decoding: TextDecoding): string[] => {
  body.skip(2)
  const serverId = body.uint32()
  const file = decoding.text(body.bytes(body.uint32()))
  const words = [file, `position ${body.bigUint64()}`, `server_id ${serverId}`]
  if (body.left < 4 || body.uint32() === 0) return words
  return [...words, `gtid_set ${gtidSet(body)}`]
}

const gtidSet = (body: MysqlCursor): string => {
  const sets: string[] = []
  let most = MAX_INTERVALS
  let sources = body.bigUint64()
  for (; sources > 0n && most > 0; sources--) {
    const hex = body.bytes(16).toString('hex')
    const parts = [hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')]
    let left = body.bigUint64()
    for (; left > 0n && most > 0; left--, most--) {
      const first = body.bigInt64()
      const last = body.bigInt64() - 1n
      parts.push(first === last ? `${first}` : `${first}-${last}`)
    }
    sets.push(left > 0n ? `${parts.join(':')}…` : parts.join(':'))
  }
  return sources > 0n ? `${sets.join(',')}…` : sets.join(',')
}

/**
 * uint32 server id; host, user and password, each behind a uint8 of its length; uint16 port; uint32 rank,
 * uint32 id of the source.
 */
const registerSlave = (body: MysqlCursor, decoding: TextDecoding): string[] => {
  const serverId = body.uint32()
  const host = decoding.text(short(body))
  const user = decoding.text(short(body))
  body.skip(body.uint8())
  const words = [`server_id ${serverId}`, `port ${body.uint16()}`]
  if (host !== '') words.push(`host ${host}`)
  if (user !== '') words.push(`user ${user}`)
  return words
}

const short = (body: MysqlCursor): Bytes => body.bytes(body.uint8())

/** REFRESH_… of include/mysql_com.h, from its lowest bit on */
const REFRESHES = ['GRANT', 'LOG', 'TABLES', 'HOSTS', 'STATUS', 'THREADS', 'REPLICA', 'SOURCE'] as const

const refreshed = (bits: number): string[] => REFRESHES.filter((_name, bit) => ((bits >> bit) & 1) === 1)
