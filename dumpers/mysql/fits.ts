/** Can a payload of the backend be the next one of the reply to the command at the queue's head? */
import { CLIENT_PROTOCOL_41, COM, has } from './capabilities.ts'
import { type Command, isDump } from './commands.ts'
import { HEAD, MAX_EOF } from './packets.ts'
import type { MysqlState } from './state.ts'
import { COLUMNS, COLUMNS_END, DEFINITIONS, type ReplyState, ROWS } from './turn.ts'

const MIN_OK = 7
const EOF_LENGTH = 5
/** ERR: code, number, mark, SQLSTATE; a report of progress is longer. */
const MIN_ERR = 9
/** COM_STMT_PREPARE_OK, and with a byte that says whether definitions follow */
const PREPARE_OK: readonly number[] = [12, 13]
/** A definition begins with its catalog's name, `def`: its length. */
const DEFINITION = 3
const MIN_DEFINITION = 20
/** Lengths that are sent in one byte end here; then 0xfc and two bytes. */
const ONE_BYTE = 0xfb
const TWO_BYTES = 0xfc

const isOk = (first: number, length: number): boolean => first === HEAD.OK && length >= MIN_OK
const isEof = (first: number, length: number): boolean => first === HEAD.EOF && length <= MAX_EOF
const isDefinition = (first: number, length: number): boolean =>
  first === DEFINITION && length >= MIN_DEFINITION

/** A count of columns, and a byte perhaps that says whether definitions follow. */
const isCount = (first: number, length: number): boolean =>
  (first > 0 && first < ONE_BYTE && length <= 2) || (first === TWO_BYTES && (length === 3 || length === 4))

const fitsFirst = (code: number, first: number, length: number): boolean => {
  switch (code) {
    case COM.QUERY:
    case COM.STMT_EXECUTE:
    case COM.STMT_BULK_EXECUTE:
    case COM.PROCESS_INFO:
      return (
        isOk(first, length) ||
        isCount(first, length) ||
        isEof(first, length) ||
        (first === HEAD.LOCAL_INFILE && length > 1)
      )
    case COM.STMT_PREPARE:
      return first === HEAD.OK && PREPARE_OK.includes(length)
    case COM.STATISTICS:
      return first >= 0x20
    case COM.CHANGE_USER:
      return first <= HEAD.AUTH_NEXT_FACTOR || first === HEAD.EOF
    default:
      return isOk(first, length) || isEof(first, length)
  }
}

const fitsRow = ({ code }: Command, first: number, length: number): boolean => {
  if (first === HEAD.EOF || length === 0) return length > 0
  if (code === COM.FIELD_LIST) return isDefinition(first, length)
  const isBinary = code === COM.STMT_EXECUTE || code === COM.STMT_FETCH || code === COM.STMT_BULK_EXECUTE
  return isBinary || isDump(code) ? first === 0 : true
}

/** By its first byte and its length; `head` is the command that it would be a reply to. */
export const fitsReply = (
  { capabilities }: MysqlState,
  { phase }: ReplyState,
  head: Command,
  first: number,
  length: number,
): boolean => {
  if (!has(capabilities, CLIENT_PROTOCOL_41)) return true
  if (first === HEAD.ERR) return length >= MIN_ERR && phase !== DEFINITIONS
  switch (phase) {
    case ROWS:
      return fitsRow(head, first, length)
    case COLUMNS:
      return isDefinition(first, length)
    case COLUMNS_END:
      return isEof(first, length)
    case DEFINITIONS:
      return isDefinition(first, length) || (first === HEAD.EOF && length === EOF_LENGTH)
    default:
      return fitsFirst(head.code, first, length)
  }
}
