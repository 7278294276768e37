/** `detail = "message"`: one line per Query, Parse, Bind and Execute, with the keys that tcpdp gives them. */
import type { BoundValues, MessageEvent, QueryText } from '../../src/event.ts'
import type { Command } from './commands.ts'
import { F } from './messages.ts'
import type { MessageLog, PgState } from './state.ts'

/** Names of which the text is remembered, so that an Execute can show what it runs. */
const MAX_NAMES = 1024

export class MessageLines implements MessageLog {
  readonly #state: PgState
  readonly #statements = new Map<string, QueryText | undefined>()
  readonly #portals = new Map<string, QueryText | undefined>()

  constructor(state: PgState) {
    this.#state = state
  }

  query(text: QueryText | undefined): void {
    this.#line(F.Query, {}, 'query', text)
  }

  parse(command: Command): void {
    const text = command.prepared?.text
    remember(this.#statements, command.statement, text)
    this.#line(F.Parse, { stmt_name: command.statement }, 'parse_query', text)
  }

  bind(command: Command, values: BoundValues | undefined): void {
    remember(this.#portals, command.portal, this.#statements.get(command.statement))
    const names = { portal_name: command.portal, stmt_name: command.statement }
    this.#line(F.Bind, names, undefined, undefined, values)
  }

  execute(command: Command): void {
    const text = this.#portals.get(command.portal)
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

const remember = (
  names: Map<string, QueryText | undefined>,
  name: string,
  text: QueryText | undefined,
): void => {
  names.delete(name)
  names.set(name, text)
  if (names.size > MAX_NAMES) names.delete(names.keys().next().value as string)
}
