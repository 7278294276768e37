import { describe, expect, test } from 'vitest'
import { pg } from '../../../dumpers/pg/index.ts'
import type { AuditEvent, GapReason, Intents } from '../../../src/event.ts'
import { type FlowEnd, type FlowFacts, GO, type Wait } from '../../../src/flow.ts'
import { FlowDecoder, openDecoder } from '../../../src/observe/decode.ts'
import { openLink } from '../../../src/observe/link.ts'
import type { Dumper, SessionContext } from '../../../src/session.ts'
import { LIMITS } from '../../support/canonical.ts'
import { backend, frontend, loggedIn } from '../../support/pg-wire.ts'

const FACTS: FlowFacts = { conn_id: 'c1', client_addr: '127.0.0.1:50000' }
const DIALLED: FlowFacts = { ...FACTS, remote_addr: '127.0.0.1:5432' }
const END: FlowEnd = { by: 'client', reason: 'closed', bytesIn: 10, bytesOut: 20 }

const openFlow = (dumper: Dumper, detail: 'statement' | 'message' = 'statement') => {
  const emitted: { flow: FlowFacts | undefined; event: AuditEvent }[] = []
  const decoder = new FlowDecoder(
    {
      dumper,
      detail,
      limits: LIMITS,
      link: openLink(),
      sink: { emit: (flow, event) => emitted.push({ flow, event }) },
    },
    FACTS,
    1000,
  )
  return { decoder, emitted, events: () => emitted.map(({ event }) => event) }
}

/** A dumper that needs nothing of the contract but what it must have. */
const plain: Dumper = {
  name: 'plain',
  open: () => ({
    feed: (from, chunk, at) => [
      { event: 'gap', at, who: { dialect: 'plain' }, gap_reason: 'lost', detail: `${from} ${chunk}` },
    ],
    gap: (_from, bytes, at) => [
      { event: 'gap', at, who: { dialect: 'plain' }, gap_reason: 'lost', gap_bytes: bytes },
    ],
    close: () => [],
  }),
}

test('a session from its log-in to its end', () => {
  const { decoder, emitted, events } = openFlow(pg)
  decoder.dialled(DIALLED)
  expect(decoder.loggedIn).toBe(false)
  expect(decoder.chunk('frontend', frontend.startup({ user: 'alice' }), 1100)).toBe(GO)
  decoder.chunk('backend', loggedIn(), 1200)
  expect(decoder.loggedIn).toBe(true)
  decoder.chunk('frontend', frontend.query('select 1'), 1300)
  decoder.chunk(
    'backend',
    Buffer.concat([backend.commandComplete('SELECT 1'), backend.readyForQuery()]),
    1400,
  )
  decoder.closed(END, 1500)
  expect(events().map(({ event }) => event)).toEqual([
    'session.start',
    'session.auth',
    'statement',
    'session.end',
  ])
  expect(emitted.map(({ flow }) => flow)).toEqual([FACTS, DIALLED, DIALLED, DIALLED])
  expect(events()[3]).toEqual({
    event: 'session.end',
    at: 1500,
    who: expect.objectContaining({ username: 'alice', backend_pid: 4711 }),
    end_by: 'client',
    end_reason: 'closed',
    bytes_in: 10,
    bytes_out: 20,
    statements: 1,
    duration_us: 500,
  })
})

test('what was not answered ends before its session', () => {
  const { decoder, events } = openFlow(pg)
  decoder.chunk('frontend', frontend.startup({ user: 'alice' }), 1)
  decoder.chunk('backend', loggedIn(), 2)
  decoder.chunk('frontend', frontend.query('select 1'), 3)
  decoder.closed(END, 4)
  expect(events().slice(2)).toMatchObject([
    { event: 'statement', outcome: 'unknown' },
    { event: 'session.end' },
  ])
})

test("the server's last word, and what could not be decoded, are told at the end", () => {
  const { decoder, events } = openFlow(pg)
  decoder.chunk('frontend', frontend.startup({ user: 'alice' }), 1)
  decoder.chunk('backend', backend.error({ S: 'FATAL', C: '53300', M: 'too many' }), 2)
  decoder.chunk('frontend', Buffer.alloc(7), 3)
  decoder.closed({ ...END, detail: 'read ECONNRESET' }, 4)
  expect(events().at(-1)).toMatchObject({
    event: 'session.end',
    error_code: '53300',
    end_detail: 'read ECONNRESET',
    undecoded_bytes_in: 7,
  })
  expect(events().at(-1)).not.toHaveProperty('undecoded_bytes_out')
})

test('detail "message" has lines of messages alone', () => {
  const { decoder, events } = openFlow(pg, 'message')
  decoder.chunk('frontend', frontend.startup({ user: 'alice' }), 1)
  decoder.chunk('backend', loggedIn(), 2)
  decoder.chunk('frontend', frontend.query('select 1'), 3)
  decoder.closed(END, 4)
  expect(events().map(({ event }) => event)).toEqual(['message'])
  expect(events()[0]).toMatchObject({ fields: { conn_seq_num: 3, message_type: 'Q' } })
})

test('a flow that begins in its middle: its session tells it, or the decoder does', () => {
  const { decoder, events } = openFlow(plain)
  decoder.midStream(2)
  expect(events().at(-1)).toMatchObject({ event: 'gap', at: 2, gap_reason: 'mid-stream' })
  const told = openFlow({
    name: 'told',
    open: (context) => ({
      ...plain.open(context),
      midStream: (at) => [
        { event: 'gap', at, who: { dialect: 'told' }, gap_reason: 'mid-stream', detail: 'mine' },
      ],
    }),
  })
  told.decoder.midStream(3)
  const gaps = told.events().filter(({ event }) => event === 'gap')
  expect(gaps).toMatchObject([{ at: 3, detail: 'mine' }])
})

test('chunks and gaps of both sides are handed on', () => {
  const { decoder, events } = openFlow(plain)
  decoder.chunk('frontend', Buffer.from('a'), 1)
  decoder.chunk('backend', Buffer.from('b'), 2)
  decoder.gap('backend', 5, 3)
  expect(events().slice(1)).toMatchObject([
    { at: 1, detail: 'frontend a' },
    { at: 2, detail: 'backend b' },
    { at: 3, gap_bytes: 5 },
  ])
})

describe("a dumper of one's own", () => {
  test('need not know who, how many, or whether anybody is logged in', () => {
    const { decoder, events } = openFlow(plain)
    expect(decoder.loggedIn).toBe(true)
    decoder.stillOpen(1)
    decoder.closed(END, 2)
    expect(events().at(-1)).toMatchObject({ who: { dialect: 'plain' }, statements: 0 })
  })
})

test('a statement that runs for long is told while it runs', () => {
  const { decoder, events } = openFlow(pg)
  decoder.chunk('frontend', frontend.startup({ user: 'alice' }), 1)
  decoder.chunk('backend', loggedIn(), 2)
  decoder.chunk('frontend', frontend.query('delete from t'), 10)
  decoder.stillOpen(9)
  expect(events().at(-1)!.event).toBe('session.auth')
  decoder.stillOpen(11)
  decoder.stillOpen(12)
  expect(events().slice(2)).toMatchObject([{ event: 'statement.open', text: { text: 'delete from t' } }])
})

test('a flow that was given up says so', () => {
  const { decoder, events } = openFlow(pg)
  decoder.detached(7)
  expect(events().at(-1)).toMatchObject({ event: 'gap', at: 7, gap_reason: 'observer' })
})

test('each flow has a session of its own, which is told whose it is', () => {
  const contexts: SessionContext[] = []
  const dumper: Dumper = {
    ...plain,
    open: (context) => {
      contexts.push(context)
      return plain.open(context)
    },
  }
  const budget = { limit: 100, used: 0 }
  const link = openLink()
  const open = openDecoder({
    dumper,
    detail: 'statement',
    limits: LIMITS,
    link,
    budget,
    sink: { emit: () => {} },
  })
  open(FACTS, 1)
  open({ conn_id: 'c2' }, 2)
  expect(contexts.map(({ connId }) => connId)).toEqual(['c1', 'c2'])
  expect(contexts[0]).toMatchObject({ detail: 'statement', limits: LIMITS })
  expect([contexts[0]!.link, contexts[0]!.budget]).toEqual([link, budget])
})

describe('frontend chunks that wait', () => {
  const WHO = { dialect: 'plain' }
  const intent = (token: number): AuditEvent => ({ event: 'intent', at: 1, who: WHO, token })
  const statement = (stmt_seq: number): AuditEvent => ({
    ...{ event: 'statement', at: 1, who: WHO, stmt_seq, protocol: 'text', outcome: 'success' },
  })
  const gap = (gap_reason: GapReason): AuditEvent => ({ event: 'gap', at: 1, who: WHO, gap_reason })
  const WAIT: Wait = { kind: 'wait', from: 3, whenReady: () => {} }

  /** A flow whose session gives what it is told to, and what is asked of the keeper of its intents. */
  const openGated = (given: { detail?: 'message'; refusesUndecodable?: boolean } = {}) => {
    const calls: unknown[] = []
    let next: AuditEvent[] = []
    let isBroken = false
    let context: SessionContext | undefined
    const dumper: Dumper = {
      name: 'plain',
      open: (opened) => {
        context = opened
        return {
          ...{ feed: () => next, gap: () => [], heldFrom: 3 },
          close: () => {
            if (isBroken) throw new Error('broken')
            return next
          },
          sent: (at) => void calls.push(['sent', at]),
          refusal: ({ message }) => Buffer.from(message),
        }
      },
    }
    const intents: Intents = {
      open: () => ({
        take: (_, { token }) => void calls.push(['take', token]),
        settled: (token) => void calls.push(['settled', token]),
        ticket: (from) => {
          calls.push(['ticket', from])
          return WAIT
        },
        close: () => void calls.push('close'),
      }),
    }
    const decoder = new FlowDecoder(
      {
        ...{ dumper, detail: 'statement', limits: LIMITS, link: openLink(), ...given },
        ...{ intents, sink: { emit: (_, { event }) => void calls.push(event) } },
      },
      FACTS,
      1,
    )
    calls.length = 0
    const feed = (from: 'frontend' | 'backend', ...events: AuditEvent[]) => {
      next = events
      return decoder.chunk(from, Buffer.from('x'), 2)
    }
    const failClose = () => {
      isBroken = true
    }
    return { decoder, calls, feed, failClose, context: () => context }
  }

  test('intents go to their keeper, records to the sink first', () => {
    const { calls, feed, context } = openGated()
    expect(context()?.intents).toBe(true)
    expect(feed('frontend', intent(1), intent(-1))).toBe(WAIT)
    expect(feed('backend', statement(1), { event: 'intent.over', at: 1, who: WHO, token: -1 })).toBe(GO)
    expect(calls).toEqual([
      ...[
        ['take', 1],
        ['take', -1],
        ['ticket', 3],
      ],
      ...['statement', ['settled', 1], ['settled', -1]],
    ])
  })

  test('the session is told of what was sent', () => {
    const { decoder, calls, feed } = openGated()
    feed('frontend')
    decoder.sent(5)
    feed('frontend', intent(1))
    decoder.sent(6)
    expect(calls.filter((call) => Array.isArray(call) && call[0] === 'sent')).toEqual([
      ['sent', 5],
      ['sent', 6],
    ])
  })

  test('at the end the keeper is told, even when the session fails', () => {
    const { decoder, calls } = openGated()
    decoder.closed(END, 9)
    expect(calls).toEqual(['session.end', 'close'])
    const broken = openGated()
    broken.decoder.dialled(DIALLED)
    broken.failClose()
    expect(() => broken.decoder.closed(END, 9)).toThrow('broken')
    expect(broken.calls).toEqual(['close'])
  })

  test('lines of wire messages are waited for', () => {
    const { calls, feed, context } = openGated({ detail: 'message' })
    expect(context()?.intents).toBeUndefined()
    const line: AuditEvent = { event: 'message', at: 1, who: WHO, direction: '->', fields: {} }
    expect(feed('frontend', line)).toBe(WAIT)
    expect(calls).toEqual(['message', ['take', 0], ['ticket', 3]])
  })

  test.each(['framing', 'foreign', 'overflow', 'mysqlx'] as const)('a gap of reason %s', (reason) => {
    const refused = { kind: 'refuse', reason: 'undecodable' }
    const strict = openGated({ refusesUndecodable: true })
    expect(strict.feed('frontend', gap(reason))).toMatchObject(refused)
    expect(strict.feed('frontend')).toMatchObject(refused)
    expect(openGated().feed('frontend', gap(reason))).toBe(WAIT)
    const late = openGated({ refusesUndecodable: true })
    expect(late.feed('backend', gap(reason))).toBe(GO)
    expect(late.feed('frontend')).toMatchObject(refused)
  })

  test('encryption that was let through does not end a session', () => {
    expect(openGated({ refusesUndecodable: true }).feed('frontend', gap('tls'))).toBe(WAIT)
  })

  test("the session's own words refuse", () => {
    const { decoder } = openGated()
    expect(String(decoder.refusal({ reason: 'log_blocked', message: 'no' }))).toBe('no')
  })
})
