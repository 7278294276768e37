/** `detail = "message"`: one line per Query, Parse, Bind and Execute, with the keys that tcpdp gives it. */
import type { BoundValues, MessageEvent, QueryText } from '../../src/event.ts'
import { parseExecute, parsePrepare, splitStatements } from '../../src/sql/scan.ts'
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

/** Texts and values of a line. */
type Texts = Loose<
  Pick<MessageEvent, 'text_key' | 'text' | 'values_key' | 'values' | 'bound_text' | 'executed'>
>
type Loose<T> = { [K in keyof T]?: T[K] | undefined }

const NAMES_STATEMENT = /prepare|execute/i

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
    const executed = text && this.#executedBy(text)
    this.#line(F.Query, {}, { text_key: 'query', text, executed })
  }

  parse(command: Command): void {
    const { prepared, statement } = command
    if (prepared !== undefined) this.#statements.set(prepared)
    this.#line(F.Parse, { stmt_name: statement }, { text_key: 'parse_query', text: prepared?.text })
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
    this.#line(F.Bind, names, { values_key: 'bind_values', values: shown, bound_text: text })
  }

  execute(command: Command): void {
    const text = this.#portals.get(command.portal)?.text
    const empty = text === undefined ? { execute_query: '' } : {}
    const names = { portal_name: command.portal, ...empty }
    this.#line(F.Execute, names, { text_key: 'execute_query', text })
  }

  /** What SQL's EXECUTEs in the text run; its PREPAREs are remembered as they come. */
  #executedBy(text: QueryText): QueryText | undefined {
    if (!NAMES_STATEMENT.test(text.text)) return undefined
    let executed: QueryText | undefined
    for (const statement of splitStatements(text.text, text)) {
      const prepare = parsePrepare(text.text, statement, text)
      if (prepare !== undefined) {
        const body = { ...lexedAs(text), text: prepare.body }
        this.#statements.set({ name: prepare.name, text: body, oids: [], seq: 0 })
      }
      const execute = parseExecute(text.text, statement, text)
      const ran = execute && this.#statements.get(execute.name)?.text
      if (ran === undefined) continue
      executed = executed ? { ...lexedAs(text), text: `${executed.text};\n${ran.text}` } : ran
    }
    return executed
  }

  #line(type: number, fields: Record<string, string>, texts: Texts): void {
    const { text, values, bound_text, executed } = texts
    const line: MessageEvent = {
      event: 'message',
      at: this.#state.now,
      who: this.#state.identity.who,
      direction: '->',
      fields: { ...fields, message_type: String.fromCharCode(type) },
      ...(text && texts.text_key && { text_key: texts.text_key, text }),
      ...(values && texts.values_key && { values_key: texts.values_key, values }),
      ...(bound_text && { bound_text }),
      ...(executed && { executed }),
    }
    this.#state.out.push(line)
  }
}

const lexedAs = ({ standardConformingStrings, dialect }: QueryText): Omit<QueryText, 'text'> => ({
  standardConformingStrings,
  dialect,
})
