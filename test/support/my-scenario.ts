/** Raw conversations with a real server through the proxy, and what the server and the audit say of each. */
import type { Bytes } from '../../src/flow.ts'
import type { Plain } from './canonical.ts'
import { hold } from './my-conversation.ts'
import { HostileClient } from './my-hostile-client.ts'
import type { GeneralLogEntry } from './my-log.ts'
import { compareWithMyServer, type ServerHabits } from './my-oracle.ts'
import { CLIENT_DEFAULT, frontend as f, packet, type ResponseOptions } from './my-wire.ts'
import type { AuditRecord } from './records.ts'

/** What a step may need to know of what came before. */
export interface Talk {
  /** the server's number of this session */
  readonly thread: number
  /** ids of the statements that were prepared, in order */
  readonly ids: readonly number[]
}

/** Bytes to send, and the answers to wait for: kinds of packets as {@link HostileClient.heard} has them. */
export type Step = readonly [bytes: Bytes | ((talk: Talk) => Bytes), wanted: RegExp]

export interface Scenario {
  readonly name: string
  /** all servers unless told */
  readonly on?: 'mariadb' | 'mysql56'
  /** the log-in; root, by 4.1 and without a database unless told */
  readonly login?: ResponseOptions
  /** the log-in's packet, and what comes along with it, in the place of `login` */
  readonly opening?: Bytes
  /** the answer to it */
  readonly opened?: RegExp
  readonly isCompressed?: boolean
  /** the last step's bytes are the client's last: it waits for their answer with its side closed */
  readonly isHalfClosed?: boolean
  /** its bytes are compressed frames already */
  readonly isFramed?: boolean
  readonly steps: readonly Step[]
  /** why the server's log is not compared */
  readonly unlogged?: string
}

/** What a scenario came to. */
export interface Judged {
  /** the audit in lines */
  readonly lines: readonly string[]
  /**
   * the same of the bytes, fed to a session anew: in one piece for each that was sent or came, byte by byte, and
   * at random places
   */
  readonly again: readonly string[]
  /** where the audit and the server differ */
  readonly findings: readonly string[]
}

/** The log-in that scenarios begin with unless told. */
const ROOT: ResponseOptions = { user: 'root', secret: Buffer.alloc(0), flags: CLIENT_DEFAULT }

const GREETING = /^\.$/
const LOGGED_IN = /^o$/
const QUIT = f.quit()
const ANSWER_SEQ = 3
const PREPARE_OK = 12
const OK = 0

const idsOf = ({ packets }: HostileClient): number[] =>
  packets.flatMap(({ payload }) =>
    payload[0] === OK && payload.length === PREPARE_OK ? [payload.readUInt32LE(1)] : [],
  )

const threadOf = ({ packets }: HostileClient): number => {
  const greeting = packets[0]?.payload as Bytes
  return greeting.readUInt32LE(greeting.indexOf(0, 1) + 1)
}

const logIn = async (client: HostileClient, { opening, opened, login }: Scenario): Promise<void> => {
  await client.hear(GREETING, 0)
  if (opening !== undefined) {
    await client.ask(opening, opened ?? LOGGED_IN)
    return
  }
  const outcome = await client.ask(f.response41({ ...ROOT, ...login }), /^[ofe]/)
  // the server's own default may be another method: it switches
  if (outcome === 'f') await client.ask(packet(ANSWER_SEQ, ''), LOGGED_IN)
}

/** Says all of it; the connection is closed behind it. */
export const play = async (port: number, scenario: Scenario): Promise<HostileClient> => {
  const client = await HostileClient.connect(port)
  try {
    await logIn(client, scenario)
    if (scenario.isCompressed) client.compress()
    for (const [bytes, wanted] of scenario.steps) {
      const talk = { thread: threadOf(client), ids: idsOf(client) }
      client.endsNext = scenario.isHalfClosed === true && wanted === scenario.steps.at(-1)?.[1]
      await client.ask(typeof bytes === 'function' ? bytes(talk) : bytes, wanted, scenario.isFramed)
    }
    await client.leave(QUIT)
    return client
  } catch (error) {
    client.destroy()
    throw error
  }
}

const TOLD: ReadonlySet<unknown> = new Set([
  ...['session.auth', 'statement', 'prepare', 'change_user', 'gap'],
  ...['local_infile', 'replication', 'cancel'],
])
const LONGEST = 100

const textOf = (text: unknown): string | undefined => {
  const written = typeof text === 'object' && text !== null ? (text as Plain).text : text
  if (typeof written !== 'string' || written.length <= LONGEST) return written as string | undefined
  return `${written.slice(0, LONGEST)}…`
}

/** Commands whose text is a name. */
const NAMED: ReadonlySet<unknown> = new Set([
  'COM_INIT_DB',
  'COM_FIELD_LIST',
  'COM_CREATE_DB',
  'COM_DROP_DB',
])

const partsOf = (record: Plain): unknown[] => {
  const { event } = record
  const values = record.bind_values ?? record.values ?? record.rows
  const executed = textOf(record.execute_query ?? record.executed)
  return [
    event === 'statement' ? undefined : event,
    record.outcome,
    record.error_number,
    record.command,
    record.new_username,
    record.infile_name,
    record.infile_bytes,
    record.gap_reason,
    record.detail,
    record.command === undefined || NAMED.has(record.command)
      ? textOf(record.query ?? record.text)
      : undefined,
    executed && `= ${executed}`,
    values && JSON.stringify(values),
    event === 'gap' ? undefined : record.reason,
    record.malformed ? 'malformed' : undefined,
    record.after_gap ? 'after_gap' : undefined,
  ]
}

/** Records in few words each; a log-in that succeeded needs none. */
const linesOf = (records: readonly Plain[], thread: number): string[] =>
  records
    .filter(({ event, outcome }) => TOLD.has(event) && (event !== 'session.auth' || outcome !== 'success'))
    .map((record) => partsOf(record).filter((part) => part !== undefined && part !== null && part !== ''))
    .map((parts) => parts.join(' ').replace(new RegExp(`(KILL.*) ${thread}$`), '$1 itself'))

/** Asks the server who it takes the session for. The answer is compared with the audit. */
export const WHO = "SELECT 'who', DATABASE(), CURRENT_USER(), @@character_set_client"
/** Asks MariaDB whether a transaction is open. */
export const IN_TRANSACTION = "SELECT 'txn', @@in_transaction"

const NULL = 0xfb

/** Short values of a text row. */
const valuesOf = (payload: Bytes): (string | undefined)[] => {
  const values: (string | undefined)[] = []
  for (let at = 0; at < payload.length; ) {
    const length = payload[at++] as number
    values.push(length === NULL ? undefined : payload.toString('utf8', at, at + length))
    if (length !== NULL) at += length
  }
  return values
}

const rowsOf = ({ packets }: HostileClient, name: string): (string | undefined)[][] =>
  packets
    .filter(({ payload }) => payload.length > 4 && payload.toString('latin1', 0, 4) === `\x03${name}`)
    .map(({ payload }) => valuesOf(payload))

/** What the server said of the session, beside what the records of these questions say. */
const compareAnswers = (client: HostileClient, records: readonly AuditRecord[]): string[] => {
  const told = (query: string) => records.filter((record) => record.query === query)
  const who = told(WHO).map(({ database, username, character_set: charset }) => [
    database,
    username,
    charset,
  ])
  const txn = told(IN_TRANSACTION).map(({ txn_status }) => [txn_status])
  const theirs = rowsOf(client, 'who').map(([, database, user, charset]) => [
    database,
    user?.replace(/@.*/, ''),
    charset?.replace('utf8mb3', 'utf8'),
  ])
  const open = rowsOf(client, 'txn').map(([, is]) => [is === '1' ? 'T' : 'I'])
  return [
    ...(JSON.stringify(who) === JSON.stringify(theirs)
      ? []
      : [`said ${theirs.join(';')}, told ${who.join(';')}`]),
    ...(JSON.stringify(txn) === JSON.stringify(open) ? [] : [`said ${open.join()}, told ${txn.join()}`]),
  ]
}

/** Judges the audit of a scenario by the server's log and its answers: all of both, of any session. */
export const judge = (
  scenario: Scenario,
  client: HostileClient,
  log: { readonly entries: readonly GeneralLogEntry[]; readonly records: readonly AuditRecord[] },
  habits: ServerHabits,
): Judged => {
  const thread = threadOf(client)
  const records = log.records.filter(({ client_addr }) => client_addr === client.address)
  const entries = log.entries.filter((entry) => entry.thread === thread)
  const compared =
    scenario.unlogged === undefined ? compareWithMyServer(entries, records, habits).findings : []
  return {
    lines: linesOf(records, thread),
    again: linesOf(hold(client.turns), thread),
    findings: [...compared, ...compareAnswers(client, records)],
  }
}
