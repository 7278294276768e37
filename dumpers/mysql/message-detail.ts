/** `detail = "message"`: one line per COM_QUERY, COM_STMT_PREPARE and execution, with tcpdp's keys. */
import type { BoundValues, MessageEvent, QueryText } from '../../src/event.ts'
import { COM } from './capabilities.ts'
import type { MessageLog, MysqlState } from './state.ts'

/** tcpdp gives an empty list where there are no values. */
const NO_VALUES: BoundValues = {
  count: 0,
  typesKnown: false,
  text: () => null,
  byteLength: () => -1,
  type: () => undefined,
  sha256: () => undefined,
}

/** Values whose types are not told: tcpdp has no key for them. */
class Untyped implements BoundValues {
  readonly #values: BoundValues
  readonly count: number
  readonly typesKnown = false

  constructor(values: BoundValues) {
    this.#values = values
    this.count = values.count
  }

  text(index: number): string | null {
    return this.#values.text(index)
  }

  byteLength(index: number): number {
    return this.#values.byteLength(index)
  }

  type(index: number): string | undefined {
    return this.#values.type(index)
  }

  sha256(index: number): string | undefined {
    return this.#values.sha256(index)
  }
}

/** A command's packets are counted from here on. */
const FIRST_SEQUENCE_ID = 0

/** Texts and values of a line. */
type Texts = Pick<MessageEvent, 'text_key' | 'text' | 'values_key' | 'values' | 'bound_text' | 'executed'>
type Loose<T> = { [K in keyof T]?: T[K] | undefined }

export class MessageLines implements MessageLog {
  readonly #state: MysqlState

  constructor(state: MysqlState) {
    this.#state = state
  }

  /** COM_QUERY; `executed` is what an EXECUTE in it runs. */
  query(text: QueryText | undefined, executed: QueryText | undefined): void {
    this.#line(COM.QUERY, {}, { text_key: 'query', text, executed })
  }

  /** COM_STMT_PREPARE; the statement's id is not known yet. */
  prepare(text: QueryText | undefined): void {
    this.#line(COM.STMT_PREPARE, {}, { text_key: 'stmt_prepare_query', text })
  }

  /**
   * COM_STMT_EXECUTE; `text` is the statement's, `values` are absent when there are none or not known. Of a
   * bulk execution, which tcpdp does not know, the statement alone.
   */
  execute(
    code: number,
    stmtId: number | undefined,
    text: QueryText | undefined,
    values: BoundValues | undefined,
  ): void {
    const params = stmtId === undefined ? undefined : this.#state.prepared.get(stmtId)?.params
    const isBare = params === 0 && code === COM.STMT_EXECUTE
    const shown = values ? new Untyped(values) : isBare ? NO_VALUES : undefined
    const fields: Record<string, number> = stmtId === undefined ? {} : { stmt_id: stmtId }
    this.#line(code, fields, { values_key: 'stmt_execute_values', values: shown, bound_text: text })
  }

  #line(command: number, fields: Record<string, number>, texts: Loose<Texts>): void {
    const { charset, now, identity } = this.#state
    const { text, values, bound_text, executed } = texts
    const line: MessageEvent = {
      event: 'message',
      at: now,
      who: identity.who,
      direction: '->',
      fields: {
        ...fields,
        seq_num: FIRST_SEQUENCE_ID,
        command_id: command,
        ...(charset && { character_set: charset }),
      },
      ...(text && texts.text_key && { text_key: texts.text_key, text }),
      ...(values && texts.values_key && { values_key: texts.values_key, values }),
      ...(bound_text && { bound_text }),
      ...(executed && { executed }),
    }
    this.#state.out.push(line)
  }
}
