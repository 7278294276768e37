/**
 * A client that sends commands before the ones before are answered, with segments lost at random: replies
 * name no command, so no record may have the outcome, the text or the values of another.
 */
import { describe, expect, test } from 'vitest'
import { MysqlSession } from '../../../dumpers/mysql/session.ts'
import { canonical, ofKind, openContext, type Plain, type Turn } from '../../support/canonical.ts'
import { seededRandom } from '../../support/chunks.ts'
import { b, f, LOGIN, packets, prepared, resultSet } from '../../support/my-conversation.ts'
import { longParam } from '../../support/my-wire.ts'

/** LOSS_FACTOR=20 tries twenty times as much. */
const SEEDS = 40 * Number(process.env.LOSS_FACTOR ?? 1)
const COMMANDS = 60

interface Exchange {
  readonly command: Buffer
  readonly reply: Buffer
}

/** The n-th exchange; each tells by its text, its values or its counts which one it is. */
const exchangesOf = (n: number): readonly Exchange[] => {
  switch (n % 4) {
    case 0:
      return [{ command: f.query(`do ${n}`), reply: packets(1, b.ok({ affected: n })) }]
    case 1:
      return [{ command: f.query(`select nix${n}`), reply: packets(1, b.err(1000 + n, `nix${n}`)) }]
    case 2: {
      const rows = Array.from({ length: n }, () => b.textRow(['1']))
      return [{ command: f.query(`select ${n}`), reply: packets(1, ...resultSet(['a'], rows)) }]
    }
    default: {
      const rows = Array.from({ length: n }, () => b.binaryRow([Buffer.from([1])]))
      return [
        { command: f.prepare(`select ${n}, ?`), reply: packets(1, ...prepared(n, 1, ['a'])) },
        { command: f.execute(n, [longParam(n)]), reply: packets(1, ...resultSet(['a'], rows)) },
      ]
    }
  }
}

/** Each segment has a command or a reply; `ahead` decides how many commands are unanswered at most. */
const conversationOf = (ahead: () => number): Turn[] => {
  const exchanges = Array.from({ length: COMMANDS }, (_, n) => exchangesOf(n)).flat()
  const turns: Turn[] = []
  let answered = 0
  for (const [index, { command }] of exchanges.entries()) {
    turns.push({ from: 'frontend', bytes: command })
    while (index + 1 - answered > ahead())
      turns.push({ from: 'backend', bytes: exchanges[answered++]!.reply })
  }
  for (const { reply } of exchanges.slice(answered)) turns.push({ from: 'backend', bytes: reply })
  return turns
}

const recordsOf = (turns: readonly Turn[], random: () => number, share: number): Plain[] => {
  const session = new MysqlSession(openContext())
  const events: Plain[] = []
  const missing = { frontend: 0, backend: 0 }
  let now = 1
  for (const turn of turns) {
    if ('lost' in turn) continue
    const { from, bytes } = turn
    if (random() < share) {
      missing[from] += bytes.length
      continue
    }
    if (missing[from] > 0)
      events.push(...session.gap(from, missing[from], now).map((one) => canonical(one)))
    missing[from] = 0
    events.push(...session.feed(from, bytes, now++).map((one) => canonical(one)))
  }
  events.push(...session.close(now).map((one) => canonical(one)))
  return events
}

/** What a record of the conversation says of itself must hang together. */
const expectTrue = (record: Plain): void => {
  const { text, values, outcome, error_number, rows_returned, rows_affected } = record
  const n = Number(/\d+/.exec(String(text ?? ''))?.[0])
  if (Number.isNaN(n)) return
  if (values !== undefined) expect(values).toEqual([String(n)])
  if (record.event === 'prepare' || outcome === 'unknown') return
  const kind = n % 4
  expect(outcome).toBe(kind === 1 ? 'error' : 'success')
  if (kind === 0) expect(rows_affected).toBe(n)
  else if (kind === 1) expect(error_number).toBe(1000 + n)
  else expect(rows_returned).toBe(n)
}

describe.each([0.01, 0.05, 0.2])('%d of the segments lost', (share) => {
  test.each([
    ['two at a time', () => 1],
    ['five at a time', () => 4],
    ['all at once', () => 1000],
    ['some at a time', undefined],
  ])('%s', (_, window) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seededRandom(seed)
      const turns = conversationOf(window ?? (() => Math.floor(random() * 4)))
      const events = recordsOf([...LOGIN, ...turns], random, share)
      for (const record of [...ofKind(events, 'statement'), ...ofKind(events, 'prepare')]) {
        try {
          expectTrue(record)
        } catch (error) {
          throw new Error(`seed ${seed}: ${JSON.stringify(record)}`, { cause: error })
        }
      }
    }
  })
})

test('one at a time, the rest of what is left is told', () => {
  let told = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const turns = conversationOf(() => 0)
    const records = ofKind(recordsOf([...LOGIN, ...turns], seededRandom(seed), 0.02), 'statement')
    for (const record of records) expectTrue(record)
    told += records.filter(({ outcome }) => outcome !== 'unknown').length
  }
  expect(told / (SEEDS * COMMANDS)).toBeGreaterThan(0.8)
})
