import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import * as connector from 'mariadb'
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import { cliArguments, MARIADB_CLI, type MyServer } from '../support/my-server.ts'
import { run, runOk, until } from '../support/programs.ts'
import { type Querytap, startQuerytap } from '../support/querytap.ts'
import type { AuditRecord } from '../support/records.ts'
import { hasServer, PYTHON } from '../support/servers.ts'

const SECRET = 'open-sesame'

let server: MyServer
let tap: Querytap

beforeAll(async () => {
  if (!(await hasServer('mariadb'))) return
  const settings = { 'general-log': 0, 'max-connections': 20, 'log-bin': 'bin', 'server-id': 1 }
  server = await startMariaDb({ settings })
  await server.sql(`CREATE DATABASE shop; CREATE TABLE shop.rows_of_file (n INT, t TEXT);
    INSTALL SONAME 'auth_ed25519';
    CREATE USER named IDENTIFIED BY '${SECRET}'; GRANT ALL ON *.* TO named;
    CREATE USER curved IDENTIFIED VIA ed25519 USING PASSWORD('${SECRET}')`)
  tap = await startQuerytap({ remote: server.port, dumper: 'mysql' })
})

afterAll(async () => {
  await tap?.stop()
  await server?.stop()
  tap?.remove()
})

type Options = Partial<mysql.ConnectionOptions>
const connect = (options: Options = {}): Promise<mysql.Connection> =>
  mysql.createConnection({ host: '127.0.0.1', port: tap.port, user: 'root', ...options })

const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** The first record that has these keys, waited for. */
const found = async (keys: Partial<AuditRecord>): Promise<AuditRecord> => {
  const has = (record: AuditRecord) => Object.entries(keys).every(([key, value]) => record[key] === value)
  return (await tap.waitFor((records) => records.some(has))).find(has) as AuditRecord
}

const idOf = async (connection: mysql.Connection): Promise<number> => {
  const [rows] = await connection.query('SELECT CONNECTION_ID() AS id')
  return (rows as { id: number }[])[0]?.id as number
}

const failureOf = (promise: Promise<unknown>): Promise<number | undefined> =>
  promise.then(
    () => undefined,
    (error) => error.errno,
  )

await describeLive('log-ins to MariaDB', ['mariadb'], () => {
  test('who came, and how', async () => {
    await (await connect({ user: 'named', password: SECRET, database: 'shop' })).end()
    const login = await found({ event: 'session.auth', username: 'named', database: 'shop' })
    expect(login).toMatchObject({ outcome: 'success', auth_method: 'mysql_native_password' })
  })

  test('the authentication that the server switches to', async () => {
    const options = { host: '127.0.0.1', port: tap.port, user: 'curved', password: SECRET }
    const connection = await connector.createConnection(options)
    await connection.end()
    const login = await found({ event: 'session.auth', username: 'curved' })
    expect(login).toMatchObject({ outcome: 'success', auth_method: 'client_ed25519' })
  })

  test('those that failed, with the error', async () => {
    expect(await failureOf(connect({ user: 'named', password: 'not it' }))).toBe(1045)
    expect(await failureOf(connect({ user: 'stranger' }))).toBe(1045)
    expect(await failureOf(connect({ database: 'no such database' }))).toBe(1049)
    const failed = { event: 'session.auth', outcome: 'error' }
    await found({ ...failed, username: 'named', error_number: 1045, error_code: '28000' })
    await found({ ...failed, username: 'stranger', error_number: 1045 })
    await found({ ...failed, error_number: 1049, error_code: '42000', database: 'no such database' })
  })

  test('those for which there was no room', async () => {
    const open: mysql.Connection[] = []
    let refused: number | undefined
    while (refused === undefined && open.length < 30) {
      refused = await failureOf(connect({ user: 'root' }).then((connection) => open.push(connection)))
    }
    await Promise.all(open.map((connection) => connection.end()))
    expect(refused).toBe(1040)
    // in front of the greeting MariaDB gives no SQLSTATE
    const told = await found({ event: 'session.auth', error_number: 1040 })
    expect(told).toMatchObject({ outcome: 'error', error_message: 'Too many connections' })
  })

  test('a change of user, and one that failed', async () => {
    const connection = await connect({ database: 'shop' })
    await connection.query("SELECT 'as root'")
    await connection.changeUser({ user: 'named', password: SECRET, database: 'mysql' })
    await connection.query("SELECT 'as named'")
    expect(await failureOf(connection.changeUser({ user: 'named', password: 'not it' }))).toBe(1045)
    connection.destroy()
    expect(await found({ query: "SELECT 'as root'" })).toMatchObject({ username: 'root', database: 'shop' })
    expect(await found({ query: "SELECT 'as named'" })).toMatchObject({
      username: 'named',
      database: 'mysql',
    })
    const changed = { new_username: 'named', previous_username: 'root', new_database: 'mysql' }
    expect(await found({ event: 'change_user', outcome: 'success' })).toMatchObject(changed)
    const failed = { event: 'change_user', outcome: 'error', error_number: 1045 }
    expect(await found(failed)).toMatchObject({ new_username: 'named', previous_username: 'named' })
  })

  test('no password is in any record', () => {
    const log = tap.records().map((record) => JSON.stringify(record))
    expect(log.length).toBeGreaterThan(10)
    expect(log.filter((line) => line.includes(SECRET) || line.includes('not it'))).toEqual([])
  })
})

await describeLive('sessions of MariaDB', ['mariadb'], () => {
  test('the database is that of each statement', async () => {
    const args = [...cliArguments({ port: tap.port }), '--batch']
    const input = "SELECT 'd1';\nUSE shop\nSELECT 'd2';\nUSE mysql\nSELECT 'd3';\n"
    await runOk(MARIADB_CLI, args, { input })
    const connection = await connect({ database: 'shop' })
    await connection.query('USE mysql')
    await connection.query("SELECT 'd4'")
    await connection.query('CREATE DATABASE gone')
    await connection.query('USE gone')
    await connection.query("SELECT 'd5'")
    await connection.end()
    const databases: unknown[] = []
    for (const n of [1, 2, 3, 4, 5]) databases.push((await found({ query: `SELECT 'd${n}'` })).database)
    expect(databases).toEqual([undefined, 'shop', 'mysql', 'mysql', 'gone'])
  })

  test('KILL QUERY names its victim, whose statement was cancelled', async () => {
    const [victim, killer] = [await connect(), await connect()]
    const id = await idOf(victim)
    const slept = failureOf(victim.query("SELECT SLEEP(60), 'victim'"))
    await server.sql(
      `DELIMITER //\nBEGIN NOT ATOMIC REPEAT DO SLEEP(0.01); UNTIL EXISTS(SELECT 1 FROM information_schema.processlist
       WHERE id = ${id} AND info LIKE '%SLEEP(60)%') END REPEAT; END//`,
    )
    await killer.query(`KILL QUERY ${id}`)
    expect(await slept).toBe(1317)
    await victim.end()
    await killer.end()
    const cancelled = await found({ query: "SELECT SLEEP(60), 'victim'", event: 'statement' })
    expect(cancelled).toMatchObject({ outcome: 'cancelled', error_number: 1317, backend_pid: id })
    const kill = await found({ query: `KILL QUERY ${id}` })
    const { conn_id, stmt_seq } = kill
    expect(await found({ event: 'cancel', target_conn_id: cancelled.conn_id })).toMatchObject({
      conn_id,
      stmt_seq,
      cancel_scope: 'query',
    })
  })

  test('KILL CONNECTION names its victim, whose session the server ended', async () => {
    const [victim, killer] = [await connect(), await connect()]
    victim.on('error', () => {})
    const id = await idOf(victim)
    await killer.query(`KILL ${id}`)
    await killer.end()
    const ended = await found({ event: 'session.end', backend_pid: id })
    expect(ended).toMatchObject({ end_by: 'server' })
    expect(await found({ event: 'cancel', target_conn_id: ended.conn_id })).toMatchObject({
      cancel_scope: 'connection',
    })
    victim.destroy()
  })

  test('a local file is told with its name, bytes and hash; so is one that was refused', async () => {
    const file = Buffer.from(Array.from({ length: 40_000 }, (_, n) => `${n}\trow ${n}\n`).join(''))
    const connection = await connect({ database: 'shop' })
    const sql = "LOAD DATA LOCAL INFILE 'some file.tsv' INTO TABLE rows_of_file"
    await connection.query({
      sql,
      infileStreamFactory: () => Readable.from([file.subarray(0, 9), file.subarray(9)]),
    })
    const refused = "LOAD DATA LOCAL INFILE '/etc/never' INTO TABLE rows_of_file"
    await failureOf(connection.query(refused))
    connection.destroy()
    const loaded = await found({ query: sql })
    expect(loaded).toMatchObject({ outcome: 'success', rows_affected: 40_000 })
    const told = await found({ event: 'local_infile', infile_name: 'some file.tsv' })
    expect(told).toMatchObject({ infile_bytes: file.length, infile_sha256: sha256(file) })
    expect(told.stmt_seq).toBe(loaded.stmt_seq)
    expect(await found({ event: 'local_infile', infile_name: '/etc/never' })).toMatchObject({
      infile_bytes: 0,
    })
  })

  test('a transaction that ends otherwise than it began', async () => {
    const connection = await connect({ database: 'shop' })
    await connection.query('START TRANSACTION')
    await connection.query("INSERT INTO rows_of_file VALUES (1, 'undone')")
    await connection.query('ROLLBACK')
    await connection.end()
    const insert = await found({ query: "INSERT INTO rows_of_file VALUES (1, 'undone')" })
    expect(insert).toMatchObject({ rows_affected: 1, txn_status: 'T' })
    const end = await found({ event: 'txn.end', conn_id: insert.conn_id as string })
    expect(end).toMatchObject({ txn_outcome: 'rolled_back', txn_seq: insert.txn_seq })
  })
})

await describeLive('COM_PROCESS_KILL', ['mariadb', 'pymysql'], () => {
  test('names its victim, as KILL does', async () => {
    const victim = await connect()
    victim.on('error', () => {})
    const id = await idOf(victim)
    const program = `import pymysql; pymysql.connect(host='127.0.0.1', port=${tap.port}, user='root').kill(${id})`
    await run(PYTHON, ['-c', program])
    const ended = await found({ event: 'session.end', backend_pid: id })
    const cancel = await found({ event: 'cancel', target_conn_id: ended.conn_id })
    expect(cancel).toMatchObject({ cancel_scope: 'connection' })
    expect(await found({ command: 'COM_PROCESS_KILL' })).toMatchObject({ conn_id: cancel.conn_id })
    victim.destroy()
  })
})

await describeLive('character sets of MariaDB', ['mariadb'], () => {
  test.each([
    ['LATIN1_SWEDISH_CI', 'latin1', 'Zoë ½ ×'],
    ['CP1251_GENERAL_CI', 'cp1251', 'Привет'],
    ['KOI8R_GENERAL_CI', 'koi8r', 'Привет'],
    ['LATIN2_GENERAL_CI', 'latin2', 'Žluťoučký'],
    ['GREEK_GENERAL_CI', 'greek', 'Καλημέρα'],
    ['HEBREW_GENERAL_CI', 'hebrew', 'שלום'],
    ['GBK_CHINESE_CI', 'gbk', '漢字 你好'],
    ['BIG5_CHINESE_CI', 'big5', '漢字 你好'],
    ['CP932_JAPANESE_CI', 'cp932', '日本語 ソ能'],
    ['UJIS_JAPANESE_CI', 'ujis', '日本語'],
    ['EUCKR_KOREAN_CI', 'euckr', '안녕'],
    ['UTF8MB4_UNICODE_CI', 'utf8mb4', '漢字 🐘'],
  ])('%s', async (charset, name, text) => {
    const connection = await connect({ charset })
    const [rows] = await connection.query(`SELECT '${text}' AS v, '${name}' AS s`)
    const [executed] = await connection.execute(`SELECT '${text}' AS t, ? AS v`, [text])
    await connection.end()
    expect([rows, executed]).toEqual([[{ v: text, s: name }], [{ t: text, v: text }]])
    const queried = await found({ query: `SELECT '${text}' AS v, '${name}' AS s`, character_set: name })
    expect(queried.query_hex).toBeUndefined()
    const bound = await found({
      query: `SELECT '${text}' AS t, ? AS v`,
      event: 'statement',
      character_set: name,
    })
    expect(bound.bind_values).toEqual([text])
  })
})

await describeLive('replication from MariaDB', ['mariadb'], () => {
  test.each([
    ['plain', 0],
    ['compressed', 1],
  ])('a replica reads through the proxy, %s', async (name, compressed) => {
    const replica = await startMariaDb({ settings: { 'server-id': 2 + compressed } })
    try {
      const [file, position] = (await server.sql('SHOW MASTER STATUS')).split('\t')
      await replica.sql(`CREATE DATABASE shop; SET GLOBAL slave_compressed_protocol = ${compressed};
        CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${tap.port}, MASTER_USER = 'named',
        MASTER_PASSWORD = '${SECRET}', MASTER_LOG_FILE = '${file}', MASTER_LOG_POS = ${position},
        MASTER_HEARTBEAT_PERIOD = 0.1; START SLAVE`)
      const row = `${name}${'x'.repeat(5000)}`
      await server.sql(`USE shop; CREATE TABLE copied_${name} (t TEXT) AS SELECT '${row}' AS t`)
      const copied = () => replica.sql(`SELECT t FROM shop.copied_${name}`).catch(() => '')
      await until('the copy', async () => (await copied()) === `${row}\n`)
      await replica.sql('STOP SLAVE')
    } finally {
      await replica.stop()
    }
    const isDump = ({ event, command }: AuditRecord) =>
      event === 'statement' && command === 'COM_BINLOG_DUMP'
    const records = await tap.waitFor((all) => all.filter(isDump).length === 1 + compressed)
    const dump = records.filter(isDump).at(-1) as AuditRecord
    expect(dump).toMatchObject({ username: 'named' })
    expect(dump.bytes_returned).toBeGreaterThan(4000)
    const { conn_id } = dump as { conn_id: string }
    expect(dump.query).toMatch(/^(bin\.\d+ )?position \d+ server_id \d+$/)
    await found({ event: 'replication', command: 'COM_BINLOG_DUMP', query: dump.query as string, conn_id })
    const registered = await found({ event: 'statement', command: 'COM_REGISTER_SLAVE', conn_id })
    expect(registered).toMatchObject({ outcome: 'success' })
    expect(registered.query).toMatch(/^server_id \d+ port \d+/)
    expect(
      records.filter(({ event, conn_id: id }) => event === 'replication' && id === conn_id).length,
    ).toBe(1)
    expect(records.filter(({ event }) => event === 'gap')).toEqual([])
  })
})

await describeLive('packets of 64 MB', ['mariadb'], () => {
  const SIZE = 64 * 1024 * 1024

  test.each([
    ['plain', []],
    ['compressed', ['--compress']],
  ])('pass each way, are equal, and are recorded by head, length and hash, %s', async (name, flags) => {
    const value = Buffer.alloc(SIZE, 'sixty-four megabytes; ')
    const up = Buffer.concat([Buffer.from(`SELECT MD5('${name} `), value, Buffer.from("') AS up")])
    const args = (port: number) => [
      ...cliArguments({ port }),
      '--batch',
      '--max-allowed-packet=256M',
      ...flags,
    ]
    const down = `SELECT REPEAT('${name.padEnd(11)} down', ${SIZE / 16}) AS down`
    const results = async (port: number) => {
      const input = Buffer.concat([up, Buffer.from(`;\n${down};\n`)])
      return sha256(await runOk(MARIADB_CLI, args(port), { input }))
    }
    expect(await results(tap.port)).toBe(await results(server.port))
    const sent = await found({ event: 'statement', query_len: up.length, query_sha256: sha256(up) })
    expect(sent).toMatchObject({ outcome: 'success', query_truncated: true, rows_returned: 1 })
    expect(String(sent.query)).toBe(up.toString('utf8', 0, 1024 * 1024))
    const received = await found({ query: down })
    expect(received).toMatchObject({ outcome: 'success', rows_returned: 1 })
    expect(received.bytes_returned).toBeGreaterThan(SIZE * 0.9)
  })

  test('of an execute, with the value by head, length and hash', async () => {
    const connection = await connect({ database: 'shop' })
    const value = 'y'.repeat(SIZE)
    const [rows] = await connection.execute('SELECT LENGTH(?) AS bytes', [value])
    await connection.end()
    expect(rows).toEqual([{ bytes: SIZE }])
    const executed = await found({ query: 'SELECT LENGTH(?) AS bytes', event: 'statement' })
    expect(executed).toMatchObject({ bind_value_lens: [SIZE], bind_value_sha256s: [sha256(value)] })
    expect(executed.bind_values?.[0]).toBe('y'.repeat(64 * 1024))
  })
})
