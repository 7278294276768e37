/** Payloads that are longer than what is kept: what is followed of them as they pass. */
import type { QueryText } from '../../src/event.ts'
import type { Bytes } from '../../src/flow.ts'
import { LongText } from '../common/long-text.ts'
import type { LongBody } from './commands.ts'
import type { LongValue } from './long-value.ts'
import type { MysqlState } from './state.ts'
import type { StatementStore } from './statements.ts'

/** A text whose whole is too long: its head, length, hash and tail. */
export class LongQuery implements LongBody {
  readonly #text: LongText

  /** `head`: the kept bytes, of which the text begins at `start`. */
  constructor(head: Bytes, start: number, max: number) {
    const cut = Math.min(start + max, head.length)
    this.#text = new LongText(head.subarray(start, cut), false)
    this.#text.add(head, cut, head.length)
  }

  add(bytes: Bytes, start: number, end: number): void {
    this.#text.add(bytes, start, end)
  }

  finish(state: MysqlState): QueryText {
    return this.#text.finish(state.decoding, state.form)
  }
}

/** COM_STMT_SEND_LONG_DATA: a parameter's bytes. */
export class LongData implements LongBody {
  readonly #store: StatementStore
  readonly #value: LongValue

  constructor(store: StatementStore, value: LongValue) {
    this.#store = store
    this.#value = value
  }

  add(bytes: Bytes, start: number, end: number): void {
    this.#store.addLong(this.#value, bytes, start, end)
  }
}
