/** Payloads of the frontend, once logged in: commands, and what is none whatever it looks like. */
import type { Bytes } from '../../src/flow.ts'
import { SKIP } from '../../src/framing/framer.ts'
import type { PayloadHandler } from '../../src/framing/mysql.ts'
import { COM } from './capabilities.ts'
import { isUnanswered, type LongBody } from './commands.ts'
import { MAX_FILES } from './files.ts'
import { LocalFile } from './infile.ts'
import { keepOfCommand, onCommand, openLong } from './requests.ts'
import type { MysqlState } from './state.ts'
import type { ReplyState } from './turn.ts'

/** The sequence id before 0. */
const LAST_SEQ = 255
/** Kept of a packet of a file, so that the rest of it is told. */
const FILE_KEEP = 1

export class FrontendPayloads implements PayloadHandler {
  readonly #state: MysqlState
  readonly #reply: ReplyState
  /** COM_QUIT came: the server reads nothing behind it */
  readonly #quit: () => void
  /** a packet came whose place nobody can tell */
  readonly #stray: () => void
  #lastSeq = 0
  #inFile: LocalFile | undefined
  #beyond = false
  #long: LongBody | undefined
  /** bytes of the packet at hand are lost */
  #isHoled = false
  /** packets of a file or of a dialogue are coming, of which the server's request is lost */
  #isUnseen = false
  /** the packet at hand is an answer to the server */
  #isAnswering = false
  /** the compressed frame at hand had a packet that the server replies to */
  #isReplied = false

  constructor(state: MysqlState, reply: ReplyState, quit: () => void, stray: () => void) {
    this.#state = state
    this.#reply = reply
    this.#quit = quit
    this.#stray = stray
  }

  /** A compressed frame begins. */
  began(midPacket: boolean): void {
    if (midPacket) this.#expectNothingBehind()
    this.#isReplied = false
  }

  /**
   * Servers write a reply over what they have read: where more commands are behind the one they reply to, in
   * the same frame, they run what is left of them.
   */
  #expectNothingBehind(): void {
    if (this.#isReplied) this.#state.doubt('frontend', 'commands share a compressed frame')
  }

  header(seq: number, first: number): number {
    const before = this.#lastSeq
    this.#lastSeq = seq
    this.#beyond = false
    this.#long = undefined
    this.#isAnswering = false
    this.#isHoled = false
    if (this.#state.ended) return SKIP
    this.#expectNothingBehind()
    if (seq !== 0 || this.#state.file !== undefined || this.#state.compressed || this.#isUnseen) {
      if (seq !== 0) this.#state.trial?.continued(seq)
      this.#inFile = this.#fileOf(seq, before)
      if (this.#inFile !== undefined) return first < 0 ? 0 : FILE_KEEP
      if (this.#isAnswer(seq)) {
        this.#isAnswering = true
        return 0
      }
      if (this.#isOfUnseen(seq, before, first) || (seq !== 0 && !this.#state.compressed)) {
        this.#stray()
        return SKIP
      }
    }
    return keepOfCommand(this.#state, first)
  }

  /** Where replies are lost no request for a file is seen: its packets are told by their ids. */
  #isOfUnseen(seq: number, before: number, first: number): boolean {
    const { trial, uncertain } = this.#state
    const isOne =
      seq === 0 ? this.#isUnseen && before === LAST_SEQ : trial !== undefined || uncertain !== undefined
    this.#isUnseen = isOne && first >= 0
    return isOne
  }

  /** So many bytes of the packet at hand are lost. */
  holed(bytes: number): void {
    this.#inFile?.lose(bytes)
    this.#isHoled = true
    this.#long = undefined
  }

  /** What a command tells where nobody saw the log-in. */
  #learn(first: number, bytes: Bytes, start: number, end: number, isWhole: boolean): void {
    const { unknown } = this.#state
    if (unknown === undefined || this.#isHoled) return
    unknown.finish()
    if (first === COM.QUERY) unknown.query(bytes, start, end)
    else if (first === COM.STMT_EXECUTE && isWhole) unknown.execute(bytes, start, end)
  }

  /**
   * The file that a packet belongs to: the one that the server asked for, or one that is sent before it
   * asks, which the sequence ids tell.
   */
  #fileOf(seq: number, before: number): LocalFile | undefined {
    const state = this.#state
    let open = state.file
    // the server has given up: it takes for a command what looks like one
    if (open?.told === true && (state.compressed || (seq === 0 && before !== LAST_SEQ))) open = undefined
    if (open !== undefined && (open.name !== undefined || seq !== 0 || before === LAST_SEQ)) return open
    state.file = undefined
    if (seq === 0 || state.compressed) return undefined
    const { tail } = state.queue
    if (tail === undefined || (tail.code !== COM.QUERY && tail.code !== COM.STMT_EXECUTE)) return undefined
    tail.files ??= []
    if (tail.files.length >= tail.filesAsked + MAX_FILES) return undefined
    state.file = new LocalFile()
    tail.files.push(state.file)
    return state.file
  }

  /**
   * An answer to what the server asks during COM_CHANGE_USER: a secret. Where ids say nothing the server's
   * requests are counted: it reads a packet for each.
   */
  #isAnswer(seq: number): boolean {
    const { tail } = this.#state.queue
    if (tail?.code !== COM.CHANGE_USER) return false
    if (!this.#state.compressed) return seq !== 0
    if (tail.owed === 0) return false
    tail.owed--
    return true
  }

  beyond(head: Bytes, bytes: Bytes, start: number, end: number): void {
    const file = this.#inFile
    if (file !== undefined) {
      if (!this.#beyond) file.add(head, 0, head.length)
      this.#beyond = true
      file.add(bytes, start, end)
      return
    }
    if (this.#isHoled) return
    if (!this.#beyond) {
      this.#learn(head[0] as number, head, 0, head.length, false)
      this.#long = openLong(this.#state, head)
    }
    this.#beyond = true
    this.#long?.add(bytes, start, end)
  }

  frame(_seq: number, first: number, bytes: Bytes, start: number, end: number, length: number): void {
    const file = this.#inFile
    const state = this.#state
    const isEnd = file === undefined || length === 0
    this.#isReplied ||= state.compressed && isEnd && !isUnanswered(first)
    if (this.#isAnswering) return
    if (file !== undefined) {
      this.#inFile = undefined
      if (!this.#beyond) file.add(bytes, start, end)
      if (length > 0) return
      file.ended = true
      state.file = undefined
      return
    }
    if (state.unknown !== undefined) this.#learn(first, bytes, start, end, !this.#beyond)
    const holed = this.#isHoled
    onCommand(state, this.#reply, { first, bytes, start, end, length, long: this.#long, holed })
    this.#long = undefined
    if (first !== COM.QUIT) return
    // where ids say nothing it may be a packet of a file, or an answer
    if (state.compressed && state.queue.head !== undefined) return
    this.#quit()
  }
}
