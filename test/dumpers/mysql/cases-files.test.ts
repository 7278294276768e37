/** Files that clients send, whose packets look like anything. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { CLIENT_COMPRESS } from '../../../dumpers/mysql/capabilities.ts'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import type { AuditEvent } from '../../../src/event.ts'
import { openContext } from '../../support/canonical.ts'
import { b, f, loginOf, MODERN, packets } from '../../support/my-conversation.ts'
import { compressed, packet } from '../../support/my-wire.ts'

const LINE = '\x03DROP TABLE t; -- \x01\x17\n'
/** Packets of 64 KiB. */
const BLOCK = Buffer.alloc(65_536, LINE)
const PACKETS = 1600
const MOST_HELD = 1_000_000

describe.each([
  ['plain', 0],
  ['compressed', CLIENT_COMPRESS],
])('case 68: 100 MB of a file that look like commands, %s', (_, flag) => {
  test('are one file, and no memory', () => {
    const budget = { limit: 1_000_000_000, used: 0 }
    const session = new MysqlSession(openContext({ budget }))
    const events: AuditEvent[] = []
    const wrapped = (bytes: Buffer): Buffer => (flag === 0 ? bytes : compressed(0, bytes))
    const say = (from: 'frontend' | 'backend', bytes: Buffer): void => {
      events.push(...session.feed(from, bytes, 1))
      expect(budget.used).toBeLessThan(MOST_HELD)
    }
    for (const turn of loginOf({ flags: MODERN | flag })) if ('bytes' in turn) say(turn.from, turn.bytes)
    say('frontend', wrapped(f.query('load data')))
    say('backend', wrapped(packets(1, b.localInfile('x'))))
    const hash = createHash('sha256')
    const whole = flag === 0 ? undefined : compressed(0, packet(2, BLOCK))
    for (let n = 0; n < PACKETS; n++) {
      hash.update(BLOCK)
      say('frontend', whole ?? packet(n + 2, BLOCK))
    }
    say('frontend', wrapped(packet(PACKETS + 2, '')))
    say('backend', wrapped(packets(9, b.ok({ affected: 7 }))))
    say('frontend', wrapped(f.query('do 1')))
    say('backend', wrapped(packets(1, b.ok())))
    expect(events.slice(1)).toMatchObject([
      { event: 'local_infile', infile_bytes: PACKETS * BLOCK.length, infile_sha256: hash.digest('hex') },
      { event: 'statement', text: { text: 'load data' }, rows_affected: 7 },
      { event: 'statement', text: { text: 'do 1' } },
    ])
    session.close(2)
    expect(budget.used).toBe(0)
  })
})
