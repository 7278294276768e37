/** Which intents a session gives, when, and what settles them. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { PgSession } from '../../../dumpers/pg/session.ts'
import type { Bytes } from '../../../src/flow.ts'
import { openContext, type Plain } from '../../support/canonical.ts'
import { splitEvery } from '../../support/chunks.ts'
import { answered, b, done, f, failure, fatal, LOGIN, ran, sent } from '../../support/conversation.ts'
import {
  eventsOf,
  expectSettled,
  feedsOf,
  isOfIntents,
  statementIn,
  type Way,
} from '../../support/pg-intents.ts'

type Steps = Parameters<typeof feedsOf>[0]
const ready = b.readyForQuery()

/** `3 Q select 1` for an intent, `over 3` for what ends it, `success 3` for a record. */
const brief = (event: Plain): string | undefined => {
  if (event.event === 'intent.over') return `over ${event.token}`
  if (event.event === 'statement')
    return [event.outcome, event.stmt_seq, event.reason].filter(Boolean).join(' ')
  if (event.event !== 'intent') return undefined
  const told = statementIn(event)
  if (told === undefined) return `${event.token}`
  const kind = { simple: 'Q', extended: 'X', function: 'F' }[told.protocol as 'simple']
  const text = typeof told.text === 'object' ? (told.text as Plain).text : told.text
  return [
    event.token,
    kind,
    text ?? '?',
    told.portal_name && `@${told.portal_name}`,
    told.malformed && 'malformed',
  ]
    .filter(Boolean)
    .join(' ')
}

/** What each of the feeds behind the log-in gave, and the end; checks that all is settled. */
const told = (steps: Steps, way: Partial<Way> = {}): string[][] => {
  const feeds = feedsOf([...(LOGIN as Steps), ...steps], { intents: true, ...way })
  expectSettled(eventsOf(feeds), 'real')
  return feeds.slice(LOGIN.length).map(({ events }) => events.map(brief).filter((one) => one !== undefined))
}

const intentsOf = (steps: Steps, way: Partial<Way> = {}): Plain[] =>
  eventsOf(feedsOf([...(LOGIN as Steps), ...steps], { intents: true, ...way })).filter(
    ({ event }) => event === 'intent',
  )

const bound = (text: string, portal = '') =>
  Buffer.concat([f.parse(text), f.bind({ portal }), f.execute(portal)])

describe('what gives an intent', () => {
  test.each<[string, Bytes, string[]]>([
    ['Query', f.query('select 1'), ['1 Q select 1']],
    ['an empty Query', f.query(''), ['1 Q']],
    ['FunctionCall', f.functionCall(1598, []), ['1 F ?']],
    ['Parse: nothing runs', f.parse('select 1', 's'), ['0']],
    ['Bind, its Execute with it', bound('select 1'), ['0', '2 X select 1']],
    [
      'Bind, a Describe and a Flush amid',
      Buffer.concat([f.parse('select 1'), f.bind(), f.describePortal(''), f.flush(), f.execute()]),
      ['0', '2 X select 1'],
    ],
    ['Execute of a portal that nobody knows', f.execute('p'), ['1 X ? @p']],
    [
      'Execute of another portal',
      Buffer.concat([f.parse('select 1'), f.bind({ portal: 'p' }), f.execute('q')]),
      ['0', '2 X select 1 @p', '3 X ? @q'],
    ],
    [
      'Execute behind an Execute',
      Buffer.concat([bound('select 1'), f.execute()]),
      ['0', '2 X select 1', '3 X select 1'],
    ],
    [
      'Execute behind a Sync',
      Buffer.concat([f.parse('select 1'), f.bind({ portal: 'p' }), f.sync(), f.execute('p')]),
      ['0', '2 X select 1 @p', '3 X ? @p'],
    ],
    [
      'Execute behind a Query',
      Buffer.concat([f.parse('select 1'), f.bind(), f.query('select 2'), f.execute()]),
      ['0', '2 X select 1', '3 Q select 2', '4 X ?'],
    ],
    [
      'Sync, Flush, Describe, Close, copy data, Terminate',
      Buffer.concat([
        f.sync(),
        f.flush(),
        f.describeStatement(''),
        f.closePortal('p'),
        f.closeStatement('s'),
        f.copyData(Buffer.from('x')),
        f.copyDone(),
        f.copyFail('x'),
      ]),
      [],
    ],
  ])('%s', (_, bytes, wanted) => {
    const [first] = told([sent(bytes)])
    expect(first).toEqual(wanted)
  })

  test('nothing without being asked, and nothing of single messages', () => {
    for (const context of [openContext(), openContext({ intents: true, detail: 'message' })]) {
      const session = new PgSession(context)
      const events = [...LOGIN, sent(f.query('select 1'), bound('select 2'))].flatMap((turn) =>
        'bytes' in turn ? session.feed(turn.from, turn.bytes, 1) : [],
      )
      session.sent(2)
      expect(events.filter((event) => isOfIntents({ event: event.event }))).toEqual([])
      expect(session.heldFrom).toBe(0)
    }
  })

  test('it is a whole record of which nothing is known yet', () => {
    const [intent] = intentsOf([sent(f.query('select 1'))])
    expect(intent).toEqual({
      event: 'intent',
      at: 1003,
      who: (intent as Plain).who,
      token: 1,
      statement: {
        ...{ event: 'statement', at: 1003, who: (intent as Plain).who, stmt_seq: 1, protocol: 'simple' },
        ...{ text: 'select 1', outcome: 'unknown', recovered: true },
      },
    })
    expect((intent as Plain).who).toMatchObject({ username: 'alice', database: 'shop' })
  })

  test('with the last byte, and no byte before', () => {
    const bytes = f.query('select 1')
    const feeds = feedsOf([...(LOGIN as Steps), sent(bytes)], {
      intents: true,
      split: (all) => splitEvery(all, 1),
    })
    const given = feeds.flatMap(({ from, events }) => (from === 'frontend' ? [events.map(brief)] : []))
    expect(given.slice(-2)).toEqual([[], ['1 Q select 1']])
    expect(given.flat().filter((one) => one !== undefined)).toEqual(['1 Q select 1'])
  })
})

describe('what settles it', () => {
  const series = [sent(bound('select 1'), f.sync()), answered(ran('SELECT 0'), ready)]
  const begun = [
    sent(f.parse('select 1', 's'), f.bind({ statement: 's', portal: 'p' }), f.execute('p', 1), f.sync()),
    answered(
      b.parseComplete(),
      b.bindComplete(),
      b.dataRow(['1']),
      b.portalSuspended(),
      b.readyForQuery('T'),
    ),
  ]

  test.each<[string, Steps, string[][]]>([
    [
      'a reply',
      [sent(f.query('select 1')), answered(done('SELECT 0'))],
      [['1 Q select 1'], ['success 1'], []],
    ],
    ['the end', [sent(f.query('select 1'))], [['1 Q select 1'], ['unknown 1']]],
    ['a series', series, [['0', '2 X select 1'], ['success 2'], []]],
    [
      'a portal read on when all is answered belongs to its Bind',
      [...begun, sent(f.execute('p'), f.sync()), answered(b.commandComplete('SELECT 0'), ready)],
      [['0', '2 X select 1 @p'], [], [], ['success 2'], []],
    ],
    [
      'a portal read on before it has answered',
      [
        sent(
          f.parse('select 1'),
          f.bind({ portal: 'p' }),
          f.execute('p', 1),
          f.execute('p', 1),
          f.sync(),
          f.query('select 2'),
        ),
        answered(
          b.parseComplete(),
          b.bindComplete(),
          b.portalSuspended(),
          b.commandComplete('SELECT 1'),
          ready,
        ),
        answered(done('SELECT 1')),
      ],
      [
        ['0', '2 X select 1 @p', '3 X select 1 @p', '4 Q select 2'],
        ['over 3', 'success 2'],
        ['success 4'],
        [],
      ],
    ],
    [
      'a cursor of SQL: an intent and a record for its first Execute, the rest belongs to it',
      [
        sent(f.query('declare c cursor for select 1')),
        answered(done('DECLARE CURSOR', 'T')),
        sent(f.execute('c', 1), f.sync()),
        answered(b.dataRow(['1']), b.portalSuspended(), b.readyForQuery('T')),
        sent(f.execute('c', 1), f.sync()),
        answered(b.commandComplete('SELECT 0'), b.readyForQuery('T')),
      ],
      [
        ['1 Q declare c cursor for select 1'],
        ['success 1'],
        ['2 X declare c cursor for select 1 @c'],
        [],
        [],
        ['success 2'],
        [],
      ],
    ],
    [
      'a portal run again at its end: no record',
      [
        ...series,
        sent(bound('select 1'), f.execute(), f.sync()),
        answered(ran('SELECT 1'), b.commandComplete('SELECT 0'), ready),
      ],
      [
        ['0', '2 X select 1'],
        ['success 2'],
        ['0', '4 X select 1', '5 X select 1'],
        ['success 4', 'over 5'],
        [],
      ],
    ],
    [
      'a portal run again that was moved back: a record of its own',
      [
        sent(bound('select 1'), f.execute(), f.sync()),
        answered(ran('SELECT 1'), b.dataRow(['1']), b.commandComplete('SELECT 1'), ready),
      ],
      [['0', '2 X select 1', '3 X select 1'], ['success 2', 'success 3'], []],
    ],
    [
      'an error: what follows it is skipped',
      [
        sent(bound('select 1'), f.query('select 2'), f.execute('q'), f.sync()),
        answered(b.parseComplete(), failure('42P01'), ready),
      ],
      [['0', '2 X select 1', '3 Q select 2', '4 X ? @q'], ['error 2', 'skipped 3', 'skipped 4'], []],
    ],
    [
      'what is sent behind the error, before Sync: an intent even so, and its record at once',
      [
        sent(bound('select 1')),
        answered(failure('42601')),
        sent(f.query('select 2'), f.bind(), f.execute(), f.execute('q')),
        sent(f.sync()),
      ],
      [
        ['0', '2 X select 1'],
        ['skipped 2'],
        [
          '3 Q select 2',
          'skipped 3',
          '4 X select 1',
          'skipped 4',
          '5 X ?',
          'over 5',
          '6 X ? @q',
          'skipped 6',
        ],
        [],
        [],
      ],
    ],
    [
      'FATAL: nothing behind it runs',
      [sent(f.query('select 1')), answered(fatal('57P01')), sent(f.query('select 2'))],
      [['1 Q select 1'], ['error 1'], ['2 Q select 2', 'skipped 2'], []],
    ],
  ])('%s', (_, steps, wanted) => {
    expect(told(steps)).toEqual(wanted)
  })

  test.each<[string, Steps, string[]]>([
    [
      'sent along with the log-in: it runs',
      [answered(b.authenticationOk(), ready), answered(done('SELECT 0'))],
      ['1 Q select 1', 'success 1'],
    ],
    ['the log-in is refused', [answered(fatal('28P01'))], ['1 Q select 1', 'over 1']],
    ['the log-in is never decided', [], ['1 Q select 1', 'unknown 1']],
  ])('%s', (_, steps, wanted) => {
    const first = sent(f.startup({ user: 'u' }), f.query('select 1'))
    const feeds = feedsOf([first as Steps[0], ...steps], { intents: true })
    expect(feeds[0]!.events.map(brief)).toEqual([wanted[0]])
    expect(feeds[0]!.heldFrom).toBe(f.startup({ user: 'u' }).length)
    expect(eventsOf(feeds).map(brief).filter(Boolean)).toEqual(wanted)
    expectSettled(eventsOf(feeds), 'real')
  })
})

describe('what it says of a statement', () => {
  const textOf = (steps: Steps, limits: Way['limits'] = {}) =>
    statementIn(intentsOf(steps, { limits }).at(-1)!)!

  test.each<[string, Steps, unknown]>([
    ['of this series', [sent(f.parse('select 1', 's'), f.bind({ statement: 's' }))], 'select 1'],
    [
      'known for long',
      [
        sent(f.parse('select 1', 's'), f.sync()),
        answered(b.parseComplete(), ready),
        sent(f.bind({ statement: 's' })),
      ],
      'select 1',
    ],
    [
      'of a series before, a new name',
      [sent(f.parse('select 1', 's'), f.sync(), f.bind({ statement: 's' }))],
      'select 1',
    ],
    ['unknown', [sent(f.bind({ statement: 's' }))], undefined],
    [
      'of a series before, which may fail: then it means the old text',
      [
        sent(f.parse('select 1'), f.sync()),
        answered(b.parseComplete(), ready),
        sent(f.execute('bad'), f.parse('select 2'), f.sync(), f.bind()),
      ],
      undefined,
    ],
    [
      'that SQL not answered yet may make anew',
      [
        sent(f.parse('select 1', 's'), f.sync()),
        answered(b.parseComplete(), ready),
        sent(f.query('deallocate s; prepare s as select 2'), f.bind({ statement: 's' })),
      ],
      undefined,
    ],
  ])('the text of a name %s', (_, steps, wanted) => {
    const statement = textOf(steps)
    expect(statement.text).toBe(wanted)
    expect(statement.reason).toBe(wanted === undefined ? 'text_unknown' : undefined)
  })

  test('values by the types known by then, and again by those known later', () => {
    const steps: Steps = [
      sent(
        f.parse('select $1', 's'),
        f.describeStatement('s'),
        f.bind({ statement: 's', formats: [1], values: [Buffer.from([0, 0, 0, 7])] }),
        f.execute(),
        f.sync(),
      ),
      answered(
        b.parseComplete(),
        b.parameterDescription([23]),
        b.noData(),
        b.bindComplete(),
        done('SELECT 1'),
      ),
      sent(f.bind({ statement: 's', formats: [1], values: [Buffer.from([0, 0, 0, 8])] })),
    ]
    expect(
      intentsOf(steps)
        .slice(1)
        .map((intent) => statementIn(intent)!.values),
    ).toEqual([['\\x00000007'], ['8']])
    const records = eventsOf(feedsOf([...(LOGIN as Steps), ...steps], { intents: true }))
    expect(records.find(({ event }) => event === 'statement')).toMatchObject({
      values: ['7'],
      types: ['int4'],
    })
  })

  test('a long text is cut, with its hash', () => {
    const text = `select '${'x'.repeat(5000)}'`
    const statement = textOf([sent(f.query(text))], { maxQueryBytes: 100 })
    const sha256 = createHash('sha256').update(text).digest('hex')
    expect(statement.text).toMatchObject({
      text: text.slice(0, 100),
      truncated: { bytes: text.length, sha256 },
    })
    const long = textOf([sent(f.query(`${text}${'y'.repeat(50_000)}`))], { maxQueryBytes: 100 })
    expect(long.text).toMatchObject({ truncated: { bytes: text.length + 50_000 } })
  })

  test.each<[string, Bytes, string]>([
    ['Query', Buffer.from('51000000087a7a7a7a', 'hex'), '\\x7a7a7a7a'],
    ['Bind', Buffer.from('420000000500', 'hex'), '\\x00'],
    ['FunctionCall', Buffer.from('46000000050f', 'hex'), '\\x0f'],
  ])('a broken %s is shown as it came', (_, bytes, hex) => {
    expect(textOf([sent(bytes)])).toMatchObject({ malformed: true, body_hex: hex })
  })
})

describe('a full queue', () => {
  const limits = { maxQueue: 2 }

  test('an intent has the text of which the record keeps only the number', () => {
    const events = told(
      [
        sent(
          f.query('q1'),
          f.query('q2'),
          f.query('q3'),
          f.parse('p', 's'),
          f.bind({ statement: 's' }),
          f.execute(),
          f.execute('c'),
          f.sync(),
          f.query('q4'),
        ),
        answered(done('A'), done('A'), done('A')),
        sent(f.query('q5')),
        answered(ran('B'), b.commandComplete('C'), ready, done('A'), done('A')),
      ],
      { limits },
    )
    expect(events).toEqual([
      ['1 Q q1', '2 Q q2', '3 Q q3', '0', '5 X p', '6 X ? @c', '7 Q q4'],
      ['success 1', 'success 2', 'success 3 overflow'],
      ['8 Q q5'],
      ['success 5 overflow', 'over 6', 'success 7 overflow', 'success 8 overflow'],
      [],
    ])
  })

  test('in a log-in, past all bounds: what was kept whole may have run', () => {
    const flood = [f.query('q1'), f.query('q2'), f.query('q3'), Buffer.alloc(20_500_000, f.sync())]
    const steps = [LOGIN[0], sent(...flood)] as Steps
    const events = eventsOf(feedsOf(steps, { intents: true, limits }))
    expect(events.map(brief)).toContain('unknown 1')
    expect(events.some(({ event }) => event === 'intent.over')).toBe(false)
    expect(events.filter(({ event }) => event === 'gap')).toMatchObject([{ gap_reason: 'overflow' }])
  })

  test('an Execute that no longer finds its Bind beside it has an intent of its own', () => {
    const [first] = told(
      [sent(f.query('q1'), f.parse('p', 's'), f.bind({ statement: 's' }), f.execute(), f.sync())],
      {
        limits: { maxQueue: 3 },
      },
    )
    expect(first).toEqual(['1 Q q1', '0', '3 X p', '4 X p'])
  })
})
