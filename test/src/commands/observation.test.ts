import { describe, expect, test } from 'vitest'
import { openObservation } from '../../../src/commands/observation.ts'
import { type AuditEvent, NO_EVENTS } from '../../../src/event.ts'
import type { FlowEnd, FlowFacts } from '../../../src/flow.ts'
import { type Log, silentLog } from '../../../src/log.ts'
import { openLink } from '../../../src/observe/link.ts'
import { StillOpenTimer } from '../../../src/observe/still-open.ts'
import type { Dumper, Session } from '../../../src/session.ts'

const FACTS: FlowFacts = { conn_id: 'c1' }
const END: FlowEnd = { by: 'client', reason: 'closed', bytesIn: 7, bytesOut: 3 }
const LIMITS = { maxQueryBytes: 1024, maxValueBytes: 64, maxStatements: 10, maxQueue: 10 }

/** A dialect whose session throws in one of its methods. */
const breaking = (at: 'open' | keyof Session | undefined): Dumper => ({
  name: 'breaking',
  open() {
    if (at === 'open') throw new Error('broken open')
    const session: Session = {
      feed: () => NO_EVENTS,
      gap: () => NO_EVENTS,
      close: () => NO_EVENTS,
      stillOpen: () => NO_EVENTS,
    }
    const broken = () => {
      throw new Error(`broken ${at}`)
    }
    return at === undefined ? session : { ...session, [at]: broken }
  },
})

const observe = (dumper: Dumper) => {
  const events: AuditEvent[] = []
  const errors: unknown[] = []
  const log: Log = { ...silentLog, error: (fields) => errors.push(fields.err) }
  let sweep = (): void => {}
  const stillOpen = new StillOpenTimer({
    openAfter: 1000,
    now: () => 5_000_000,
    setInterval: (callback) => {
      sweep = callback
      return {}
    },
    clearInterval: () => {},
  })
  const sink = { emit: (_facts: FlowFacts | undefined, event: AuditEvent) => void events.push(event) }
  const options = {
    dumper,
    sink,
    limits: LIMITS,
    detail: 'statement',
    link: openLink(),
    stillOpen,
    log,
  } as const
  const open = openObservation(options)
  return { open, events, errors, names: () => events.map((event) => event.event), sweep: () => sweep() }
}

describe('observation', () => {
  test('a session that failed is told even so of what was sent', () => {
    const told: unknown[] = []
    const broken = breaking('feed')
    const { open, names } = observe({
      ...broken,
      open: (context) => ({ ...broken.open(context), sent: (...given) => void told.push(given) }),
    })
    const flow = open(FACTS, 1)
    flow.chunk('frontend', Buffer.from('x'), 2)
    flow.sent?.(3, 0)
    flow.closed(END, 4)
    expect(told).toEqual([[3, 0]])
    expect(names()).toEqual(['session.start', 'gap', 'session.end'])
  })

  test('a whole flow is a start and an end', () => {
    const { open, names, errors, sweep } = observe(breaking(undefined))
    const observer = open(FACTS, 1_000)
    observer.chunk('frontend', Buffer.from('x'), 2_000)
    sweep()
    observer.closed(END, 3_000)
    expect(names()).toEqual(['session.start', 'session.end'])
    expect(errors).toEqual([])
  })

  test.each([
    ['open', ['gap', 'session.end']],
    ['feed', ['session.start', 'gap', 'session.end']],
    ['close', ['session.start', 'gap', 'session.end']],
  ] as const)('a session that throws in %s leaves a gap and the end of its flow', (at, wanted) => {
    const { open, names, events, errors } = observe(breaking(at))
    const observer = open(FACTS, 1_000)
    for (let n = 0; n < 3; n++) observer.chunk('frontend', Buffer.from('x'), 2_000)
    observer.closed(END, 3_000)
    expect(names()).toEqual(wanted)
    expect(events.at(-2)).toMatchObject({ gap_reason: 'observer' })
    expect(events.at(-1)).toMatchObject({ end_by: 'client', bytes_in: 7, bytes_out: 3 })
    expect(errors).toHaveLength(1)
  })

  test('one that throws when asked what still runs is not asked again', () => {
    const { open, names, errors, sweep } = observe(breaking('stillOpen'))
    const observer = open(FACTS, 1_000)
    sweep()
    sweep()
    observer.closed(END, 3_000)
    expect(errors).toHaveLength(1)
    expect(names()).toEqual(['session.start', 'session.end'])
  })

  test('the first session that is encrypted is told loudly, the second is not', () => {
    const encrypted: Dumper = {
      name: 'encrypted',
      open: () => ({
        feed: (_from, _chunk, at) => [{ event: 'gap', at, who: { dialect: 'x' }, gap_reason: 'tls' }],
        gap: () => NO_EVENTS,
        close: () => NO_EVENTS,
      }),
    }
    const warnings: string[] = []
    const log: Log = { ...silentLog, warn: (_fields, message) => warnings.push(message) }
    const open = openObservation({
      dumper: encrypted,
      sink: { emit: () => {} },
      limits: LIMITS,
      detail: 'statement',
      link: openLink(),
      stillOpen: undefined,
      log,
    })
    for (const conn_id of ['a', 'b']) open({ conn_id }, 1).chunk('frontend', Buffer.from('x'), 2)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(/TLS: its statements are NOT audited/)
  })
})
