/**
 * Clients that run ahead of a real server, over names of statements and portals that SQL and the protocol share:
 * every statement that the server answered had its intent before, with the text that ran.
 */
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Bytes } from '../../src/flow.ts'
import type { Step } from '../support/changes.ts'
import { randomInteger, seededRandom } from '../support/chunks.ts'
import { tries } from '../support/fuzz.ts'
import { describeLive } from '../support/live.ts'
import { eventsOf, expectSettled, feedsOf, recordsOf } from '../support/pg-intents.ts'
import { frontend as f } from '../support/pg-wire.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'

let server: Postgres

beforeAll(async () => {
  server = await startPostgres()
  await server.psql('CREATE TABLE t (i int)')
})

afterAll(async () => {
  await server?.stop()
})

const STATEMENTS = ['', 's1', 's2']
const PORTALS = ['', 'p', 'c']

/** One or two messages; what they name may mean anything by the time they are run. */
const someMessage = (random: () => number, unique: number): Bytes => {
  const one = <T>(of: readonly T[]): T => of[randomInteger(random, 0, of.length - 1)] as T
  const text = `SELECT ${unique} FROM generate_series(1, 3)`
  const made = {
    parse: () => f.parse(text, one(STATEMENTS)),
    bind: () => f.bind({ statement: one(STATEMENTS), portal: one(PORTALS) }),
    execute: () => f.execute(one(PORTALS), randomInteger(random, 0, 2)),
    together: () => Buffer.concat([f.parse(text), f.bind(), f.execute()]),
    query: () => f.query(text),
    declare: () => f.query(`DECLARE ${one(['p', 'c'])} CURSOR WITH HOLD FOR ${text}`),
    held: () => Buffer.concat([f.parse(`DECLARE c SCROLL CURSOR FOR ${text}`), f.bind(), f.execute()]),
    move: () => f.query(`MOVE BACKWARD ALL IN ${one(['p', 'c'])}`),
    close: () => f.query(`CLOSE ${one(['p', 'c'])}`),
    prepare: () => f.query(`PREPARE ${one(['s1', 's2'])} AS ${text}`),
    deallocate: () => f.query(`DEALLOCATE ${one(['s1', 's2'])}`),
    block: () => f.query(one(['BEGIN', 'COMMIT', 'ROLLBACK'])),
    broken: () => f.query('SELECT 1/0'),
    closePortal: () => f.closePortal(one(PORTALS)),
    closeStatement: () => f.closeStatement(one(STATEMENTS)),
    describe: () => f.describePortal(one(PORTALS)),
    sync: () => f.sync(),
    flush: () => f.flush(),
  }
  return one(Object.values(made))()
}

/** What both sides said, in the order in which it was seen. */
const talkTo = (seed: number): Promise<Step[]> =>
  new Promise((resolve, reject) => {
    const random = seededRandom(seed)
    const steps: Step[] = []
    const socket = connect(server.port, '127.0.0.1')
    let heard = ''
    let turn = 0
    const send = (bytes: Bytes) => {
      steps.push({ from: 'frontend', bytes })
      socket.write(bytes)
    }
    const next = () => {
      turn++
      heard = ''
      for (let message = 0; message < 4 * turn; message++) send(someMessage(random, turn * 100 + message))
      // behind Sync nothing is skipped, and behind the end of a block nothing is refused
      send(Buffer.concat([f.sync(), f.query(`${turn % 2 ? 'ROLLBACK' : 'COMMIT'}; SELECT 'turn ${turn}'`)]))
    }
    socket.on('data', (bytes) => {
      steps.push({ from: 'backend', bytes: Buffer.from(bytes) })
      heard += bytes.toString('latin1')
      if (turn === 0 ? heard.endsWith('Z\0\0\0\x05I') : heard.includes(`turn ${turn}C`)) {
        if (turn < 8) next()
        else socket.end(f.terminate())
      }
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(steps))
    send(f.startup({ user: 'postgres', database: 'postgres' }))
  })

await describeLive('intents beside a real server', ['postgres'], () => {
  test.each(Array.from({ length: tries(20) }, (_, seed) => seed + 1))(
    'seed %i',
    { timeout: 60_000 },
    async (seed) => {
      const steps = await talkTo(seed)
      const events = eventsOf(feedsOf(steps, { intents: true }))
      expect(events.filter(({ event }) => event === 'statement').length).toBeGreaterThan(20)
      expectSettled(events, 'real')
      expect(recordsOf(events)).toEqual(recordsOf(eventsOf(feedsOf(steps, { intents: false }))))
      const small = { intents: true, limits: { maxQueue: 4, maxStatements: 2 } }
      expectSettled(eventsOf(feedsOf(steps, small)), 'real')
    },
  )
})
