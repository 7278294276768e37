/**
 * The server is the judge of what the redactor takes for a literal: in a text that the server takes, each
 * mask is given another value, and the text must still do the same. Were a mask over more than a secret or
 * a comment, a command could be hidden behind it. The redactor is told nothing of `standard_conforming_strings`.
 */
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { secretsAsRead, statementSecrets } from '../../src/audit/redact-sql.ts'
import { isKeyword, type Span } from '../../src/sql/scan.ts'
import { tries } from '../support/fuzz.ts'
import { describeLive } from '../support/live.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { sqlGenerator } from '../support/secret-sql.ts'

const TEXTS = tries(2_000)
const SEED = 20_240_817

/** What a text did: its statements' tags, and the calls of `mark` in it. */
interface Effect {
  readonly tags: readonly string[]
  readonly marks: string
}

const SETUP = `
  CREATE TABLE marks (n int);
  CREATE FUNCTION mark(int) RETURNS int LANGUAGE sql AS 'INSERT INTO public.marks VALUES ($1) RETURNING n';
  CREATE DOMAIN password AS text; CREATE DOMAIN secret AS text; CREATE DOMAIN api_key AS text;
  CREATE FUNCTION options(text) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE $1; RETURN 1; EXCEPTION WHEN syntax_error THEN RETURN 0; END';
  CREATE FUNCTION named(password text) RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE FUNCTION run(text) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE $1; RETURN 1; END';
  CREATE FOREIGN DATA WRAPPER w;
  CREATE SERVER s FOREIGN DATA WRAPPER w`

/** Other letters in the same quotes: of a literal another value, of code nothing that the server takes. */
const scrambled = (raw: string): string => {
  const opening = /^(?:\$\w*\$|[ne](?=\\?')|u&)?/i.exec(raw)![0]
  const isClosed = raw.endsWith(opening) && raw.length >= 2 * opening.length
  const closing = opening.startsWith('$') && isClosed ? opening : ''
  const inside = raw.slice(opening.length, raw.length - closing.length)
  return opening + inside.replace(/\\[a-z]|[a-z]/gi, (part) => (part.length === 1 ? 'z' : part)) + closing
}

const withOtherSecrets = (text: string, spans: readonly Span[]): string => {
  let replaced = ''
  let at = 0
  for (const { start, end } of spans) {
    replaced += text.slice(at, start) + scrambled(text.slice(start, end))
    at = end
  }
  return replaced + text.slice(at)
}

const covers = (spans: readonly Span[], at: number): boolean =>
  spans.some(({ start, end }) => start <= at && at < end)

/** What is masked and is no secret is to be a comment: any letters do, whatever it was. */
const withOtherComments = (text: string, masks: readonly Span[], secrets: readonly Span[]): string =>
  text
    .split('')
    .map((unit, at) => (covers(masks, at) && !covers(secrets, at) && !/[-/*\s]/.test(unit) ? 'z' : unit))
    .join('')

await describeLive('redaction against the server', ['postgres'], () => {
  let postgres: Postgres
  let client: pg.Client

  beforeAll(async () => {
    postgres = await startPostgres()
    client = new pg.Client({
      host: '127.0.0.1',
      port: postgres.port,
      user: 'postgres',
      database: 'postgres',
    })
    client.on('error', () => {})
    await client.connect()
    await client.query(SETUP)
  })
  afterAll(async () => {
    await client?.end()
    await postgres?.stop()
  })

  /** What the text does in a transaction that is then rolled back; undefined when the server refuses it. */
  const effectOf = async (text: string): Promise<Effect | undefined> => {
    await client.query('BEGIN')
    try {
      const result = (await client.query(text)) as pg.QueryResult | pg.QueryResult[]
      const tags = [result].flat().map(({ command, rowCount }) => `${command} ${rowCount}`)
      const { rows } = await client.query("SELECT string_agg(n::text, ' ' ORDER BY n) AS marks FROM marks")
      return { tags, marks: rows[0].marks }
    } catch {
      return undefined
    } finally {
      await client.query('ROLLBACK; DEALLOCATE ALL')
    }
  }

  test.each(['on', 'off'])('masks no code: standard_conforming_strings = %s', async (setting) => {
    await client.query(`SET standard_conforming_strings = ${setting}; SET escape_string_warning = off`)
    const generate = sqlGenerator(setting === 'on' ? SEED : SEED + 1)
    const hidden: string[] = []
    let judged = 0
    for (let count = 0; count < TEXTS; count++) {
      const text = generate()
      const masked = statementSecrets(text, {})
      const before = masked && (await effectOf(text))
      if (before === undefined) continue
      judged++
      const standardConformingStrings = setting === 'on'
      const secrets = secretsAsRead(text, { standardConformingStrings })?.spans ?? []
      const inert = withOtherComments(text, masked?.spans ?? [], secrets)
      const after = await effectOf(withOtherSecrets(inert, secrets))
      if (JSON.stringify(after) !== JSON.stringify(before)) hidden.push(text)
    }
    expect(hidden).toEqual([])
    // not a test of nothing: so many texts were taken and had masks
    expect(judged).toBeGreaterThan(TEXTS / 15)
  })

  test('knows the keywords of this server', async () => {
    const { rows } = await client.query('SELECT word FROM pg_get_keywords()')
    expect(rows.map(({ word }) => word as string).filter((word) => !isKeyword(word))).toEqual([])
  })
})
