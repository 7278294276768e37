/**
 * Capabilities of a session whose log-in nobody saw. What cannot be known otherwise is told by what is sent:
 *
 * - CLIENT_DEPRECATE_EOF: is there an EOF of 5 bytes behind definitions of columns, and behind rows?
 * - CLIENT_QUERY_ATTRIBUTES: no text has 0x01 for its second byte, which is what stands before one then; and
 *   of most executions it is plain whether the number of values stands before them
 * - session changes and the count of columns say by themselves whether more follows
 *
 * Until it is told nothing is read that hangs on it. The server's kind and the client's character set stay
 * unknown.
 */
import type { Bytes } from '../../src/flow.ts'
import {
  type Capabilities,
  CLIENT_COMPRESS,
  CLIENT_DEPRECATE_EOF,
  CLIENT_PLUGIN_AUTH,
  CLIENT_PROTOCOL_41,
  CLIENT_QUERY_ATTRIBUTES,
  CLIENT_SECURE_CONNECTION,
  CLIENT_SESSION_TRACK,
  CLIENT_TRANSACTIONS,
  CLIENT_ZSTD_COMPRESSION_ALGORITHM,
  MARIADB_CLIENT_CACHE_METADATA,
} from './capabilities.ts'
import { hasAttributeForm } from './execute-form.ts'
import { HEAD } from './packets.ts'
import { settlePrepare } from './reply-prepare.ts'
import type { MysqlState, UnknownLogin } from './state.ts'
import { COLUMNS_END, DEFINITIONS, type ReplyState, ROWS } from './turn.ts'

/** Length of an EOF packet of 4.1; an OK packet in its place has at least 7. */
const EOF_LENGTH = 5

/** What every client has that is in use, and what only says that more may follow. */
const ASSUMED: Capabilities = {
  flags:
    CLIENT_PROTOCOL_41 |
    CLIENT_TRANSACTIONS |
    CLIENT_SECURE_CONNECTION |
    CLIENT_PLUGIN_AUTH |
    CLIENT_SESSION_TRACK,
  mariadb: MARIADB_CLIENT_CACHE_METADATA,
}

/** Finds out, from what is sent, what client and server are capable of. */
export class Unknown implements UnknownLogin {
  readonly #state: MysqlState
  readonly #reply: ReplyState
  #isEofKnown = false
  #areAttributesKnown = false

  constructor(state: MysqlState, reply: ReplyState) {
    this.#state = state
    this.#reply = reply
    state.agree(ASSUMED, false)
  }

  /** Can the parameters of an execution be told from query attributes? */
  get areValuesKnown(): boolean {
    return this.#areAttributesKnown
  }

  /** Packets are wrapped in others. */
  compressed(by: 'zlib' | 'zstd'): void {
    this.#add(by === 'zlib' ? CLIENT_COMPRESS : CLIENT_ZSTD_COMPRESSION_ALGORITHM)
  }

  /** A COM_QUERY, from its code on. */
  query(bytes: Bytes, start: number, end: number): void {
    if (!this.#areAttributesKnown) this.#attributes(end - start > 2 && bytes[start + 2] === 1)
  }

  /** A COM_STMT_EXECUTE, whole, from its code on. */
  execute(bytes: Bytes, start: number, end: number): void {
    if (this.#areAttributesKnown) return
    const found = hasAttributeForm(bytes, start, end, this.#state.prepared)
    if (found !== undefined) this.#attributes(found)
  }

  #attributes(areAgreed: boolean): void {
    this.#areAttributesKnown = true
    if (areAgreed) this.#add(CLIENT_QUERY_ATTRIBUTES)
    this.#done()
  }

  /** A payload of a reply begins. */
  reply(first: number, length: number): void {
    const reply = this.#reply
    if (this.#isEofKnown) return
    const isEof = first === HEAD.EOF && length === EOF_LENGTH
    switch (reply.phase) {
      case COLUMNS_END:
        if (first === HEAD.ERR) return
        this.#eof(isEof)
        if (!isEof) reply.enter(ROWS)
        return
      case ROWS:
        if (first === HEAD.EOF) this.#eof(isEof)
        return
      case DEFINITIONS:
        this.#definition(isEof)
        return
      default:
    }
  }

  /** Of definitions of parameters and of columns each has an EOF at its end, or none has. */
  #definition(isEof: boolean): void {
    const reply = this.#reply
    const prepared = this.#state.prepared.get(this.#state.queue.head?.stmtId ?? 0)
    if (prepared === undefined) return
    const { params, columns } = prepared
    const ends = (params > 0 ? 1 : 0) + (columns > 0 ? 1 : 0)
    const come = params + columns + ends - reply.left
    if (come !== (params > 0 ? params : columns)) return
    this.#eof(isEof)
    if (!isEof) reply.left = params + columns - come
  }

  /** The client speaks again: so the answer to its last command is complete. */
  finish(): void {
    const reply = this.#reply
    const { head } = this.#state.queue
    if (this.#isEofKnown || reply.phase !== DEFINITIONS || reply.left !== 1 || head === undefined) return
    this.#eof(false)
    settlePrepare(this.#state, reply, head)
  }

  #eof(isSent: boolean): void {
    this.#isEofKnown = true
    if (!isSent) this.#add(CLIENT_DEPRECATE_EOF)
    this.#done()
  }

  #add(flag: number): void {
    const { flags, mariadb } = this.#state.capabilities
    this.#state.agree({ flags: flags | flag, mariadb }, false)
  }

  #done(): void {
    if (this.#isEofKnown && this.#areAttributesKnown) this.#state.unknown = undefined
  }
}
