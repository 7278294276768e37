/**
 * What sets, carries or mentions secrets, sent by real clients: psql scripts, its `\password`,
 * node-postgres with bound values, log-ins that succeed and fail, and raw messages for what no client
 * sends.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import pg from 'pg'
import type { Bytes } from '../../src/flow.ts'
import { frontend, message } from './pg-wire.ts'
import type { Postgres } from './postgres.ts'
import { run } from './programs.ts'

/** Makes secrets, each a word that is found nowhere else, and remembers them. */
export class Secrets {
  readonly words: string[] = []
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** A new one. */
  readonly make = (): string => {
    const word = `Zq${this.#prefix}k${this.words.length}Xw`
    this.words.push(word)
    return word
  }

  /** What else must not be seen. */
  add(...words: readonly string[]): void {
    this.words.push(...words)
  }

  /** Those that occur in the text, as they are, in hex, or in base64. */
  in(text: string): readonly string[] {
    const lower = text.toLowerCase()
    const occurs = (word: string): boolean =>
      text.includes(word) ||
      lower.includes(Buffer.from(word).toString('hex')) ||
      base64Forms(word).some((form) => text.includes(form))
    return this.words.filter(occurs)
  }
}

/**
 * The base64 forms of a word wherever it stands in what is encoded, less the digits that its neighbours
 * share.
 */
const base64Forms = (word: string): readonly string[] =>
  [0, 1, 2].map((before) => {
    const encoded = Buffer.from(' '.repeat(before) + word).toString('base64')
    const digits = Math.floor(((before + word.length) * 4) / 3)
    return encoded.slice(before === 0 ? 0 : before + 1, digits)
  })

/** Statements of roles, in every form that a literal has. `r` is what the names of roles begin with. */
const roles = (r: string, s: () => string): string => `
  CREATE ROLE ${r}a LOGIN PASSWORD '${s()}';
  create user ${r}b with encrypted password E'it\\'s ${s()}' valid until '2030-01-01';
  CREATE GROUP ${r}c PASSWORD/* ' */U&'\\0041${s()}' -- "
  NOLOGIN;
  ALTER ROLE ${r}a PASSWORD $$${s()}$$;
  ALTER ROLE ${r}a PASSWORD $q$it's $$${s()}$q$ CREATEDB;
  ALTER USER ${r}a PASSWORD N'${s()}';
  ALTER USER ${r}a PASSWORD 'a'
    '${s()}' NOCREATEDB;
  ALTER USER ${r}a PASSWORD 'back\\slash\\${s()}\\';
  ALTER USER ${r}a PASSWORD 'md5${createHash('md5').update(s()).digest('hex')}';
  CREATE ROLE "${r} password"; ALTER ROLE "${r} password" PASSWORD '${s()}'; DROP ROLE "${r} password";
  BEGIN; CREATE ROLE ${r}d PASSWORD '${s()}'; ROLLBACK;
  UPDATE pg_authid SET rolpassword = '${s()}' WHERE rolname = '${r}nobody';`

/** The same, refused by the server, which quotes what it does not like. */
const mistakes = (r: string, s: () => string): string =>
  [
    `ALTER ROLE ${r}nobody PASSWORD '${s()}'`,
    `ALTER ROLE ${r}a PASSWORD = '${s()}'`,
    `ALTER ROLE ${r}a PASSWORD "${s()}"`,
    `ALTER ROLE ${r}a PASSWORD ${s()}`,
    `ALTER ROLE ${r}a PASWORD '${s()}'`,
    `ALTR ROLE ${r}a PASSWORD '${s()}'`,
    `ALTER ROLE ${r}a PASSWORD 'it's ${s()}' LOGIN`,
    `ALTER ROLE ${r}a PASSWORD '${s()}' || '${s()}'`,
    `CREATE USER ${r}e IDENTIFIED BY ${s()}`,
    `SET PASSWORD FOR ${r}a = '${s()}'`,
    `password ${s()}`,
    `EXPLAIN ALTER ROLE ${r}a PASSWORD '${s()}'`,
    `DO $$ BEGIN EXECUTE 'ALTER ROLE ${r}a PASSWORD $1' USING '${s()}'; END $$`,
    `DO $$ BEGIN EXECUTE format('ALTER ROLE ${r}nobody PASSWORD %L', '${s()}'); END $$`,
    `DO $$ DECLARE p text := '${s()}';
      BEGIN EXECUTE 'ALTER ROLE ${r}nobody PASSWORD ' || quote_literal(p); END $$`,
  ].join(';\n')

/** Servers, user mappings, connection strings, settings. */
const connections = (r: string, port: number, s: () => string): string => `
  CREATE FOREIGN DATA WRAPPER ${r}w OPTIONS (secret_key '${s()}');
  CREATE SERVER ${r}s FOREIGN DATA WRAPPER ${r}w OPTIONS (host 'h', password '${s()}');
  ALTER SERVER ${r}s OPTIONS (SET password '${s()}', ADD api_key '${s()}');
  CREATE USER MAPPING FOR PUBLIC SERVER ${r}s OPTIONS (user 'u', password '${s()}', jwt '${s()}');
  ALTER USER MAPPING FOR PUBLIC SERVER ${r}s OPTIONS (SET password E'${s()}');
  CREATE SUBSCRIPTION ${r}p CONNECTION 'host=h user=u password=${s()}' PUBLICATION p WITH (connect = false);
  ALTER SUBSCRIPTION ${r}p CONNECTION 'postgresql://u:${s()}@h/d';
  ALTER SUBSCRIPTION ${r}p SET (slot_name = NONE); DROP SUBSCRIPTION ${r}p;
  SELECT dblink_connect('host=127.0.0.1 port=${port} user=nobody password=${s()} dbname=postgres');
  SELECT dblink_connect('host=127.0.0.1 port=${port} user=nobody password=a ${s()}');
  SELECT dblink_connect('postgres://u:${s()}/x@127.0.0.1:1/d');
  SELECT dblink('host=127.0.0.1 port=${port} password=' || '${s()}', 'SELECT 1');
  SELECT dblink_exec('dbname=postgres port=${port} host=127.0.0.1 user=postgres password=' || $$${s()}$$,
    'ALTER ROLE ${r}a PASSWORD ''${s()}''');
  SET my.password = '${s()}'; SET LOCAL my.secret TO ${s()};
  SELECT set_config('app.jwt_secret', '${s()}', false);
  ALTER ROLE ${r}a SET app.password = '${s()}';
  ALTER DATABASE postgres SET "app.settings.jwt_secret" TO '${s()}';
  ALTER DATABASE postgres RESET "app.settings.jwt_secret";
  ALTER SYSTEM SET primary_conninfo = 'host=h password=${s()}'; ALTER SYSTEM RESET primary_conninfo;`

/** Secrets within literals, and texts that are made of pieces. */
const routines = (r: string, s: () => string): string => `
  DO $$ BEGIN IF true THEN ALTER ROLE ${r}a PASSWORD '${s()}'; ELSE PERFORM 1; END IF; END $$;
  DO 'BEGIN ALTER ROLE ${r}a PASSWORD ''${s()}''; END';
  CREATE FUNCTION ${r}f() RETURNS void LANGUAGE plpgsql AS $f$
    BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', '${r}a', '${s()}'); END $f$;
  SELECT ${r}f();
  CREATE PROCEDURE ${r}g(p text) LANGUAGE plpgsql AS
    'BEGIN EXECUTE ''ALTER ROLE ${r}a PASSWORD '' || quote_literal(p); END';
  DO $$ DECLARE p text := '${s()}'; BEGIN EXECUTE format('ALTER ROLE ${r}a PASSWORD %L', p); END $$;
  SELECT format('ALTER ROLE %I PASSWORD %L', '${r}a', '${s()}') \\gexec
  SELECT 'ALTER ROLE ${r}a PASSWORD ''${s()}''' \\gexec
  SELECT concat('ALTER ROLE ${r}a PASSWORD ', quote_literal('${s()}')) \\gexec
  PREPARE ${r}q (text) AS SELECT set_config('app.secret', $1, false);
  EXECUTE ${r}q('${s()}');
  PREPARE ${r}q2 AS SELECT dblink_connect('host=127.0.0.1 port=1 password=${s()}');
  EXECUTE ${r}q2;`

const cleanUp = (r: string): string => `
  DROP FUNCTION ${r}f(); DROP PROCEDURE ${r}g(text); DROP FOREIGN DATA WRAPPER ${r}w CASCADE;
  DROP ROLE ${r}a; DROP ROLE ${r}b; DROP ROLE ${r}c;`

/** A script for psql. It goes on after errors, of which there are many. */
export const secretScript = (r: string, port: number, s: () => string): string =>
  [roles(r, s), routines(r, s), connections(r, port, s), mistakes(r, s)].join('\n;\n') + cleanUp(r)

/** Where the clients connect to. */
export interface Place {
  readonly server: Postgres
  readonly port: number
}

const conninfo = ({ port }: Place, user = 'postgres'): string =>
  `host=127.0.0.1 port=${port} user=${user} dbname=postgres sslmode=disable`

/** Runs a script, each statement a message of its own, and some of them in one message. */
export const byPsql = async (
  place: Place,
  script: string,
  ...texts: readonly string[]
): Promise<string> => {
  const psql = place.server.program('psql')
  const commands = texts.flatMap((text) => ['-c', text])
  const { stdout, stderr } = await run(psql, ['-X', conninfo(place)], { input: script })
  if (commands.length > 0) await run(psql, ['-X', conninfo(place), ...commands])
  return stdout + stderr
}

/** Types a new password twice at psql's own prompt, on a terminal. */
export const byPasswordCommand = async (place: Place, role: string, password: string): Promise<void> => {
  const command = `'${place.server.program('psql')}' -X '${conninfo(place)}' -c '\\password ${role}'`
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
  let shown = ''
  let typed = 0
  child.stdout.on('data', (chunk: Buffer) => {
    shown += chunk
    // once per prompt: psql throws away what is typed before it
    if (shown.split(': ').length - 1 <= typed) return
    typed++
    child.stdin.write(`${password}\n`)
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0 || typed !== 2) throw new Error(`\\password: exit ${code}, ${shown}`)
}

/** Logs in with a password, right or wrong. */
export const byPassword = async (place: Place, user: string, password: string): Promise<number> => {
  const args = ['-X', '-w', conninfo(place, user), '-c', 'SELECT 1']
  const env = { ...process.env, PGPASSWORD: password }
  return (await run(place.server.program('psql'), args, { env })).code
}

/** Secrets in bound values, by node-postgres. */
export const byNodePostgres = async (place: Place, r: string, s: () => string): Promise<void> => {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: place.port,
    user: 'postgres',
    database: 'postgres',
  })
  client.on('error', () => {})
  await client.connect()
  const ask = (text: string, values: unknown[], name?: string) =>
    client.query(name === undefined ? { text, values } : { text, values, name }).catch(() => undefined)
  await ask("SELECT set_config('app.secret', $1, false)", [s()])
  await ask("SELECT set_config('app.secret', $1, false)", [s()], 'named')
  await ask("SELECT set_config('app.secret', $1, false)", [s()], 'named')
  await ask('SELECT dblink_connect($1, $2)', ['c', `host=127.0.0.1 port=1 password=${s()}`])
  await ask('SELECT dblink_connect($1)', [`postgres://u:${s()}@127.0.0.1:1/d`])
  await ask('SELECT format($1, $2::text, $3::text)', ['ALTER ROLE %I PASSWORD %L', `${r}a`, s()])
  await ask("SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)", [`${r}a`, s()])
  await ask("SELECT 'ALTER ROLE x PASSWORD ' || quote_literal($1)", [s()])
  await ask('SELECT $1::text', [`ALTER ROLE ${r}a PASSWORD '${s()}'`])
  await ask('SELECT $1::bytea', [Buffer.from(`host=h password=${s()}`)])
  await ask('SELECT $1::text', [`SCRAM-SHA-256$4096:${s()}$a:b`])
  await ask(`ALTER ROLE ${r}a PASSWORD $1`, [s()])
  await ask(`SELECT 1 FROM ${r}nothing`, [], `ALTER ROLE ${r}a PASSWORD '${s()}'`)
  await client.end()
}

/** How long an answer may take, in milliseconds. */
const PATIENCE = 10_000

/**
 * Sends bytes on a connection of its own and waits for so many messages of type `type`, or for the end.
 * Gives the messages that came.
 */
export const byHand = (port: number, bytes: Bytes, type: string, count: number): Promise<Answers> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const answers = new Answers(socket)
    const late = setTimeout(() => reject(new Error(`waited in vain, heard ${answers.types}`)), PATIENCE)
    const done = () => {
      clearTimeout(late)
      resolve(answers)
    }
    socket.on('connect', () => socket.write(bytes))
    socket.on('data', (chunk) => {
      answers.add(chunk)
      if (answers.types.split(type).length > count) done()
    })
    socket.on('error', () => {})
    socket.on('close', done)
  })

/** What a server said. */
export class Answers {
  /** types of the messages, in order */
  types = ''
  /** body of the BackendKeyData */
  key: Bytes = Buffer.alloc(0)
  #bytes: Bytes = Buffer.alloc(0)
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  add(chunk: Bytes): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    while (this.#bytes.length >= 5 && this.#bytes.length > this.#bytes.readInt32BE(1)) {
      const end = 1 + this.#bytes.readInt32BE(1)
      const type = String.fromCharCode(this.#bytes[0] as number)
      if (type === 'K') this.key = this.#bytes.subarray(5, end)
      this.types += type
      this.#bytes = this.#bytes.subarray(end)
    }
  }

  /** Ends the connection, and waits for that. */
  leave(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.closed) resolve()
      this.#socket.once('close', () => resolve())
      this.#socket.end(frontend.terminate())
    })
  }
}

const startup = (more: Readonly<Record<string, string>> = {}): Bytes =>
  frontend.startup({ user: 'postgres', database: 'postgres', ...more })

const extended = (text: string): Bytes =>
  Buffer.concat([frontend.parse(text), frontend.bind(), frontend.execute()])

/**
 * What no client sends so: series in which a setting changes the meaning of what follows, broken
 * messages.
 */
export const odd = (r: string, s: () => string): readonly (readonly [Bytes, string, number])[] => {
  const off = 'SET standard_conforming_strings = off'
  const configured = "SELECT set_config('standard_conforming_strings', 'off', false)"
  const role = (name: string) => `CREATE ROLE ${r}${name} PASSWORD 'it\\'s ${s()}' LOGIN`
  const drop = (name: string) => frontend.query(`DROP ROLE ${r}${name}`)
  const series = (setting: string, name: string) =>
    Buffer.concat([startup(), extended(setting), extended(role(name)), frontend.sync(), drop(name)])
  return [
    [series(off, 'x'), 'Z', 3],
    [series(configured, 'y'), 'Z', 3],
    [Buffer.concat([startup(), frontend.query(off), frontend.query(role('z')), drop('z')]), 'Z', 4],
    [Buffer.concat([startup(), message('Q', `ALTER ROLE ${r}a PASSWORD '${s()}'`)]), 'E', 1],
    [Buffer.concat([startup(), message('P', `x\0ALTER ROLE ${r}a PASSWORD '${s()}'\0\0`)]), 'E', 1],
    [
      Buffer.concat([
        startup(),
        frontend.parse('SELECT dblink_connect($1)'),
        message('B', `\0\0\0\0\0\x01\0\0\0\xffhost=h password=${s()}`),
      ]),
      'E',
      1,
    ],
    [Buffer.concat([startup(), frontend.password(s())]), 'E', 1],
    [startup({ password: s() }), 'E', 1],
    [startup({ options: `-c my.secret=${s()} -c app.password=${s()}` }), 'Z', 1],
    [startup({ 'app.jwt_secret': s() }), 'Z', 1],
    [startup({ database: `postgresql://u:${s()}@h/d` }), 'E', 1],
    [startup({ application_name: `host=h password=${s()}` }), 'Z', 1],
  ]
}
