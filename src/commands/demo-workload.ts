/** What the demo does to its own database, and the records that must come of it. */
import type { DemoClient } from './demo-client.ts'

/** A record of the log, as read back from its file. */
export type LogRecord = Readonly<Record<string, unknown>>

export interface Step {
  /** for the person who watches */
  readonly title: string
  readonly run: (client: DemoClient) => Promise<void>
  /** keys and values of the records that it leaves, one object per record */
  readonly leaves: readonly LogRecord[]
}

/** Set by the workload, and to be found nowhere in the log. */
export const SECRET = 'correct horse'

const CREATE =
  'CREATE TABLE orders (id serial PRIMARY KEY, item text NOT NULL, price numeric(8,2), note text)'
const INSERT = "INSERT INTO orders (item, price) VALUES ('lamp', 19.90), ('desk', 249.00), ('chair', 89.50)"
const TWO =
  "UPDATE orders SET price = price * 0.9 WHERE item = 'desk'; SELECT count(*), sum(price) FROM orders"
const PREPARED = 'INSERT INTO orders (item, price, note) VALUES ($1, $2, $3) RETURNING id'
const WRONG = 'SELECT * FROM order_items WHERE order_id = 4'
const COPY = 'COPY orders TO STDOUT (FORMAT csv)'

const statement = (query: string, more: LogRecord = {}): LogRecord => ({
  event: 'statement',
  query,
  outcome: 'success',
  ...more,
})

/** The workload, in order. */
export const STEPS: readonly Step[] = [
  {
    title: 'A table, and three rows',
    run: async (client) => {
      await client.query(CREATE)
      await client.query(INSERT)
    },
    leaves: [statement(CREATE), statement(INSERT, { rows_affected: 3 })],
  },
  {
    title: 'Two statements in one message: one record, its text whole',
    run: (client) => client.query(TWO),
    leaves: [statement(TWO, { command_tags: ['UPDATE 1', 'SELECT 1'], rows_returned: 1 })],
  },
  {
    title: 'A prepared statement, run twice; the second time with a NULL',
    run: async (client) => {
      await client.prepare('add', PREPARED)
      await client.execute('add', ['sofa', '499.00', 'to be delivered'])
      await client.execute('add', ['shelf', '75.25', null])
    },
    leaves: [
      { event: 'prepare', query: PREPARED, outcome: 'success' },
      statement(PREPARED, { bind_values: ['sofa', '499.00', 'to be delivered'] }),
      statement(PREPARED, { bind_values: ['shelf', '75.25', null] }),
    ],
  },
  {
    title: 'An error, with what the server said',
    run: (client) => client.query(WRONG),
    leaves: [statement(WRONG, { outcome: 'error', error_code: '42P01' })],
  },
  {
    title: 'Data that leaves: COPY, counted',
    run: (client) => client.query(COPY),
    leaves: [statement(COPY, { copy_direction: 'out', copy_rows: 5 })],
  },
  {
    title: 'A password: the record does not have it',
    run: (client) => client.query(`CREATE ROLE clerk LOGIN PASSWORD '${SECRET}'`),
    leaves: [statement('CREATE ROLE clerk LOGIN PASSWORD <redacted>')],
  },
  {
    title: 'A transaction that came to nothing',
    run: async (client) => {
      await client.query('BEGIN')
      await client.query('DELETE FROM orders')
      await client.query('ROLLBACK')
    },
    leaves: [
      statement('DELETE FROM orders', { rows_affected: 5, txn_status: 'T' }),
      { event: 'txn.end', txn_outcome: 'rolled_back' },
    ],
  },
]

/** The log's line of the statement that had a NULL bound, where it is there. `log` is the file's text. */
export const sampleOf = (log: string): string | undefined =>
  log.split('\n').find((line) => line.includes('"bind_values":["shelf","75.25",null]'))

const isLike = (record: LogRecord, wanted: LogRecord): boolean =>
  Object.entries(wanted).every(([key, value]) => JSON.stringify(record[key]) === JSON.stringify(value))

const nameOf = ({ event, query, txn_outcome }: LogRecord): string =>
  `${event} ${query ?? txn_outcome ?? ''}`

/** What the log lacks, or has too much of, in words; none when all is right. `log` is the file's text. */
export const faultsOf = (log: string): readonly string[] => {
  const records = log
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogRecord)
  const missing = STEPS.flatMap(({ leaves }) => leaves)
    .filter((wanted) => !records.some((record) => isLike(record, wanted)))
    .map((wanted) => `no record of: ${nameOf(wanted)}`)
  return log.includes(SECRET) ? [...missing, 'the password is in the log'] : missing
}
