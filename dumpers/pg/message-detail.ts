/** `detail = "message"`: one line per Query, Parse, Bind and Execute, with the keys that tcpdp gives it. */
import type { BoundValues, MessageEvent, QueryText } from '../../src/event.ts'
import type { PgBoundValues } from './bound-values.ts'
import type { Command } from './commands.ts'
import { F } from './messages.ts'
import type { MessageLog, PgState } from './state.ts'
import { PortalStore, PreparedStore } from './statements.ts'

/** Texts that are remembered may hold this many times `maxQueryBytes`, of statements and of portals each. */
const STORE_FACTOR = 4

/** tcpdp gives an empty list where there are no values. */
const NO_VALUES: BoundValues = {
  count: 0,
  typesKnown: false,
  text: () => null,
  byteLength: () => -1,
  type: () => undefined,
  sha256: () => undefined,
}

export class MessageLines implements MessageLog {
  readonly #state: PgState
  /** what was sent under each name, so that a Bind can show its values and an Execute what it runs */
  readonly #statements: PreparedStore
  readonly #portals: PortalStore

  constructor(state: PgState) {
    this.#state = state
    const { maxStatements, maxQueryBytes } = state.limits
    this.#statements = new PreparedStore(maxStatements, maxQueryBytes * STORE_FACTOR)
    this.#portals = new PortalStore(maxStatements, maxQueryBytes * STORE_FACTOR)
  }

  query(text: QueryText | undefined): void {
    this.#line(F.Query, {}, 'query', text)
  }

  parse(command: Command): void {
    const { prepared, statement } = command
    if (prepared !== undefined) this.#statements.set(prepared)
    this.#line(F.Parse, { stmt_name: statement }, 'parse_query', prepared?.text)
  }

  bind(command: Command, values: BoundValues | undefined): void {
    const prepared = this.#statements.get(command.statement)
    const text = prepared?.text
    const bytes = 2 * (text?.text.length ?? 0)
    const portal = { name: command.portal, text, bytes, hold: false }
    this.#portals.set({ ...portal, execution: undefined, stmtName: undefined }, () => {})
    if (values !== undefined && prepared !== undefined) (values as PgBoundValues).oids = prepared.oids
    const names = { portal_name: command.portal, stmt_name: command.statement }
    const shown = values ?? (command.execution?.malformed ? undefined : NO_VALUES)
    this.#line(F.Bind, names, undefined, undefined, shown)
  }

  execute(command: Command): void {
    const text = this.#portals.get(command.portal)?.text
    const empty = text === undefined ? { execute_query: '' } : {}
    this.#line(F.Execute, { portal_name: command.portal, ...empty }, 'execute_query', text)
  }

  #line(
    type: number,
    fields: Record<string, string>,
    textKey?: string,
    text?: QueryText,
    values?: BoundValues,
  ): void {
    const line: MessageEvent = {
      event: 'message',
      at: this.#state.now,
      who: this.#state.identity.who,
      direction: '->',
      fields: { ...fields, message_type: String.fromCharCode(type) },
      ...(textKey === undefined || text === undefined ? {} : { text_key: textKey, text }),
      ...(values === undefined ? {} : { values_key: 'bind_values', values }),
    }
    this.#state.out.push(line)
  }
}
