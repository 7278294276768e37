/**
 * From the first byte to the first ReadyForQuery: requests for encryption, log-ins, cancels, encodings,
 * secrets.
 */
import { describe, expect, test } from 'vitest'
import { openLink } from '../../../src/observe/link.ts'
import { ofKind, type Plain, whoOf } from '../../support/canonical.ts'
import {
  answered,
  asked,
  b,
  done,
  f,
  fatal,
  hold,
  LOGIN,
  repeat,
  sent,
  talk,
} from '../../support/conversation.ts'
import { cstring, fromHex, int32, loggedIn, message, untyped } from '../../support/pg-wire.ts'

const STARTUP = f.startup({ user: 'alice', database: 'shop' })
const NO = Buffer.from('N')
const KEY = fromHex('de ad be ef')

describe('requests for encryption', () => {
  test.each([
    ['SSL', [f.sslRequest()]],
    ['GSS', [f.gssencRequest()]],
    ['GSS, then SSL', [f.gssencRequest(), f.sslRequest()]],
    ['SSL, then GSS', [f.sslRequest(), f.gssencRequest()]],
    ['SSL twice', [f.sslRequest(), f.sslRequest()]],
  ])('case 2: %s, refused, then a log-in', (_, requests) => {
    const events = hold([
      ...requests.flatMap((request) => [sent(request), answered(NO)]),
      ...LOGIN,
      ...asked('SELECT 1', 'SELECT 0'),
    ])
    expect(events).toMatchObject([
      { event: 'session.auth', outcome: 'success', who: { username: 'alice', database: 'shop' } },
      { event: 'statement', text: 'SELECT 1' },
    ])
  })

  test.each([
    ['SSL, accepted', f.sslRequest(), 'S', 'tls'],
    ['GSS, accepted', f.gssencRequest(), 'G', 'gss'],
  ])('case 3: %s: one gap and then silence', (_, request, reply, reason) => {
    const events = hold([
      sent(request),
      answered(Buffer.from(reply)),
      sent(
        f.query('DROP TABLE a'),
        repeat(100, () => f.query('SELECT 1')),
      ),
      answered(done('DROP TABLE')),
    ])
    expect(events).toMatchObject([{ event: 'gap', gap_reason: reason }])
  })

  test('case 3: an old server answers with an error and ends', () => {
    const events = hold([
      sent(f.sslRequest()),
      answered(fatal('0A000', 'unsupported frontend protocol')),
      sent(f.query('DROP TABLE a')),
    ])
    expect(events).toEqual([])
  })

  test('case 3: bytes sent before the answer are no statement if it is yes', () => {
    const events = hold([
      sent(f.sslRequest(), STARTUP, f.query('DROP TABLE a')),
      answered(Buffer.from('S')),
      answered(loggedIn()),
    ])
    expect(events).toMatchObject([{ event: 'gap', gap_reason: 'tls' }])
  })

  test('case 3: and are what they seem if it is no', () => {
    const events = hold([
      sent(f.sslRequest(), STARTUP, f.query('DROP TABLE a')),
      answered(NO),
      answered(loggedIn(), done('DROP TABLE')),
    ])
    expect(ofKind(events, 'statement')).toMatchObject([{ text: 'DROP TABLE a', outcome: 'success' }])
  })

  test('case 3: more of them than may be kept', () => {
    const events = hold([
      sent(
        f.sslRequest(),
        repeat(20_000, () => f.sync()),
      ),
      answered(NO),
      answered(loggedIn()),
    ])
    expect(events).toMatchObject([{ event: 'gap', gap_reason: 'overflow' }])
  })

  test('case 4: direct TLS', () => {
    const hello = fromHex('16 03 01 00 05 01 00 00 01 00')
    expect(hold([sent(hello, f.query('DROP TABLE a')), answered(hello)])).toMatchObject([
      { event: 'gap', gap_reason: 'tls' },
    ])
  })
})

describe('case 5', () => {
  const grease = f.startup({ user: 'alice', '_pq_.test_protocol_negotiation': '' }, 0x0003270f)

  test('case 5: protocol 3.2 and a key of 32 bytes', () => {
    const link = openLink()
    const key = Buffer.alloc(32, 7)
    const events = hold(
      [sent(f.startup({ user: 'alice' }, 196610)), answered(loggedIn({ pid: 12, key }))],
      () => ({ link }),
    )
    expect(events).toMatchObject([{ event: 'session.auth', outcome: 'success', protocol_version: '3.2' }])
    expect(whoOf(events[0])).toMatchObject({ backend_pid: 12, database: 'alice' })
  })

  test('case 5: a greased version and option are negotiated down', () => {
    const events = hold([
      sent(grease),
      answered(b.negotiateProtocolVersion(0, ['_pq_.test_protocol_negotiation']), loggedIn()),
    ])
    expect(events).toMatchObject([
      {
        ...{ event: 'session.auth', outcome: 'success', protocol_version: '3.0' },
        startup_options: '_pq_.test_protocol_negotiation=',
      },
    ])
  })

  test('case 57: a server of MySQL is foreign, once', () => {
    const greeting = Buffer.from('\x4a\0\0\0\x0a5.5.5-10.11.6-MariaDB\0abcd12345678\0', 'latin1')
    const login = Buffer.from('\x20\0\0\x01\x85\xa6\x3f\x20', 'latin1')
    const events = hold([answered(greeting), sent(login), answered(greeting)])
    expect(events).toMatchObject([{ event: 'gap', gap_reason: 'foreign' }])
    expect(events).toHaveLength(1)
  })

  test('case 5: a version that PostgreSQL has not', () => {
    const events = hold([
      sent(untyped(Buffer.concat([int32(0x00020000), Buffer.alloc(296)])), f.query('DROP TABLE a')),
    ])
    expect(events).toMatchObject([{ event: 'gap', gap_reason: 'foreign' }])
  })
})

describe('case 6', () => {
  const secret = 'correct horse battery staple'
  const exchanges = {
    password: [b.authentication(3), f.password(secret)],
    md5: [b.authentication(5, int32(42)), f.password(`md5${secret}`)],
    'scram-sha-256': [
      b.authentication(10, Buffer.concat([cstring('SCRAM-SHA-256'), cstring('')])),
      message('p', Buffer.concat([cstring('SCRAM-SHA-256'), int32(6), Buffer.from(secret)])),
      b.authentication(11, Buffer.from(`r=${secret}`)),
      message('p', `c=biws,p=${secret}`),
      b.authentication(12, Buffer.from(`v=${secret}`)),
    ],
    gss: [
      b.authentication(7),
      message('p', secret),
      b.authentication(8, Buffer.from(secret)),
      message('p', secret),
    ],
  }

  test.each(Object.entries(exchanges))('case 6: %s is never in an event', (method, messages) => {
    const turns = messages.map((bytes, index) => (index % 2 === 0 ? answered(bytes) : sent(bytes)))
    const events = hold([
      sent(STARTUP),
      ...turns,
      answered(loggedIn({ key: KEY })),
      ...asked('SELECT 1', 'SELECT 0'),
    ])
    expect(events).toMatchObject([
      { event: 'session.auth', outcome: 'success', auth_method: method },
      { event: 'statement', text: 'SELECT 1' },
    ])
    expect(JSON.stringify(events)).not.toMatch(/correct horse|deadbeef/)
  })

  test('case 6: refused, with the user and why; what was sent along never ran', () => {
    const events = hold([
      sent(STARTUP),
      answered(b.authentication(3)),
      sent(f.password(secret), f.query('DROP TABLE a'), f.parse('SELECT 1'), f.sync()),
      answered(fatal('28P01', 'password authentication failed for user "alice"')),
    ])
    expect(events).toMatchObject([
      {
        ...{ event: 'session.auth', outcome: 'error', auth_method: 'password' },
        ...{ error_code: '28P01', error_severity: 'FATAL' },
        who: { username: 'alice', database: 'shop' },
      },
    ])
    expect(JSON.stringify(events)).not.toContain(secret)
  })

  test('case 6: the connection ends before it is decided', () => {
    const events = hold([sent(STARTUP), answered(b.authentication(3))])
    expect(events).toMatchObject([
      { event: 'session.auth', outcome: 'unknown', who: { username: 'alice' } },
    ])
  })

  test('case 6: a message of a password behind the log-in ends the session and is never shown', () => {
    const events = talk([
      sent(f.password(secret)),
      answered(fatal('08P01', 'invalid frontend message type 112')),
    ])
    expect(JSON.stringify(events)).not.toContain(secret)
  })
})

describe('case 23', () => {
  const cancel = (key = KEY) => [sent(f.cancelRequest(4711, key))]

  test('case 23: a cancel names the session that it is for, and no key', () => {
    const link = openLink()
    link.claim('4711:deadbeef', 'c77')
    const events = hold(cancel(), () => ({ link, connId: 'c78' }))
    expect(events).toMatchObject([{ event: 'cancel', target_backend_pid: 4711, target_conn_id: 'c77' }])
    expect(JSON.stringify(events)).not.toContain('deadbeef')
  })

  test('case 23: the key is claimed by the log-in, given back at the end, and in no event', () => {
    const link = openLink()
    const events = hold(
      [sent(STARTUP), answered(loggedIn({ key: KEY })), ...asked('SELECT 1', 'SELECT 0')],
      () => ({
        link: {
          ...link,
          claim: (key, connId) => {
            expect(key).toBe('4711:deadbeef')
            link.claim(key, connId)
          },
        },
      }),
    )
    expect(events).toHaveLength(2)
    expect(JSON.stringify(events)).not.toMatch(/deadbeef|3735928559/)
    expect(link.find('4711:deadbeef')).toBeUndefined()
  })

  test('case 23: a cancel for a session that is not ours', () => {
    const events = hold(cancel(Buffer.from('what')), () => ({ link: openLink() }))
    expect(events).toMatchObject([{ event: 'cancel', target_backend_pid: 4711 }])
    expect(events[0]).not.toHaveProperty('target_conn_id')
  })

  test('case 23: behind encryption that was refused, and with a long key', () => {
    const link = openLink()
    link.claim(`4711:${'07'.repeat(256)}`, 'c77')
    const events = hold([sent(f.sslRequest()), answered(NO), ...cancel(Buffer.alloc(256, 7))], () => ({
      link,
    }))
    expect(events).toMatchObject([{ event: 'cancel', target_conn_id: 'c77' }])
  })

  test('case 23: behind a cancel nothing is read', () => {
    expect(hold([...cancel(), sent(STARTUP, f.query('DROP TABLE a'))])).toHaveLength(1)
  })
})

describe('who the session is', () => {
  test('the database is named as its user when it is not named, or is empty', () => {
    for (const more of [{}, { database: '' }]) {
      const [event] = hold([sent(f.startup({ user: 'alice', ...more })), answered(loggedIn())])
      expect(whoOf(event)).toMatchObject({ username: 'alice', database: 'alice' })
    }
  })

  test('case 24: what the server reports', () => {
    const reports = Buffer.concat([
      b.parameterStatus('application_name', 'report'),
      b.parameterStatus('is_superuser', 'off'),
      b.parameterStatus('session_authorization', 'bob'),
    ])
    const events = talk([
      sent(f.query('SET SESSION AUTHORIZATION bob'), f.query('SELECT 1')),
      answered(b.commandComplete('SET'), reports, b.readyForQuery(), done('SELECT 0')),
    ])
    expect(whoOf(events[0])).not.toHaveProperty('effective_username')
    expect(whoOf(events[1])).toMatchObject({
      ...{ username: 'alice', effective_username: 'bob', is_superuser: false },
      ...{ application_name: 'report', server_version: '15.13', backend_pid: 4711 },
    })
  })

  test.each([
    ['SET ROLE bob', 'bob'],
    ['SET ROLE "Bob B"', 'Bob B'],
    ["SET SESSION ROLE 'bob'", 'bob'],
    ["set role to 'bob'", 'bob'],
    ['SET role = bob', 'bob'],
    ['SET ROLE none', undefined],
    ['RESET ROLE', undefined],
  ])('case 24: %s is not reported, so it is read', (text, role) => {
    const events = talk([...asked(text, 'SET'), ...asked('SELECT 1', 'SELECT 0')])
    expect(whoOf(events[1]).effective_username).toBe(role)
  })

  test('case 24: a role that fails to be set is not taken', () => {
    const events = talk([
      sent(f.query('SET ROLE bob'), f.query('SELECT 1')),
      answered(b.error({ S: 'ERROR', C: '42501', M: 'no' }), b.readyForQuery(), done('SELECT 0')),
    ])
    expect(whoOf(events[1])).not.toHaveProperty('effective_username')
  })

  test.each<[string, Readonly<Record<string, string>>]>([
    ['a parameter', { role: 'bob' }],
    ['-c', { options: '-c search_path=a -c role=bob' }],
    ['-crole', { options: '-crole=bob' }],
    ['--role', { options: '--role=bob' }],
  ])('case 24: a role that the startup message sets by %s', (_, parameters) => {
    const events = hold([
      sent(f.startup({ user: 'alice', ...parameters })),
      answered(loggedIn()),
      ...asked('SELECT 1', 'SELECT 0'),
    ])
    expect(whoOf(events[1])).toMatchObject({ username: 'alice', effective_username: 'bob' })
  })

  const roles = (turns: Parameters<typeof talk>[0]): (string | undefined)[] =>
    ofKind(talk(turns), 'statement').map((event: Plain) => whoOf(event).effective_username)

  test('case 24: SET LOCAL ROLE ends with its transaction', () => {
    expect(
      roles([
        ...asked('BEGIN', 'BEGIN', 'T'),
        ...asked('SET LOCAL ROLE bob', 'SET', 'T'),
        ...asked('SELECT 1', 'SELECT 0', 'T'),
        ...asked('COMMIT', 'COMMIT'),
        ...asked('SELECT 2', 'SELECT 0'),
      ]),
    ).toEqual([undefined, undefined, 'bob', 'bob', undefined])
  })

  test('case 24: a role set in a transaction that rolls back is gone', () => {
    expect(
      roles([
        ...asked('SET ROLE carol', 'SET'),
        ...asked('BEGIN', 'BEGIN', 'T'),
        ...asked('SET ROLE bob', 'SET', 'T'),
        ...asked('ROLLBACK', 'ROLLBACK'),
        ...asked('SELECT 2', 'SELECT 0'),
      ]),
    ).toEqual([undefined, 'carol', 'carol', 'bob', 'carol'])
  })

  test('case 24: so is one set behind a savepoint', () => {
    expect(
      roles([
        ...asked('BEGIN', 'BEGIN', 'T'),
        ...asked('SAVEPOINT a; SET ROLE bob; SAVEPOINT b; SET ROLE carol', 'SET', 'T'),
      ]),
    ).toHaveLength(2)
    const steps = [
      ...asked('BEGIN', 'BEGIN', 'T'),
      ...asked('SAVEPOINT a', 'SAVEPOINT', 'T'),
      ...asked('SET ROLE bob', 'SET', 'T'),
      ...asked('SAVEPOINT "B"', 'SAVEPOINT', 'T'),
      ...asked('SET LOCAL ROLE carol', 'SET', 'T'),
      ...asked('ROLLBACK TO SAVEPOINT "B"', 'ROLLBACK', 'T'),
      ...asked('SELECT 1', 'SELECT 0', 'T'),
      ...asked('ROLLBACK WORK TO a', 'ROLLBACK', 'T'),
      ...asked('SELECT 2', 'SELECT 0', 'T'),
    ]
    expect(roles(steps).slice(-3)).toEqual(['bob', 'bob', undefined])
  })
})

describe('case 24: the encoding of the client', () => {
  const queryOf = (encoding: string, text: Buffer): Plain | undefined =>
    ofKind(
      hold([
        sent(STARTUP),
        answered(loggedIn({ encoding })),
        sent(f.query(text)),
        answered(done('SELECT 0')),
      ]),
      'statement',
    )[0]

  test.each([
    ['UTF8', Buffer.from("SELECT 'é – 日本'"), "SELECT 'é – 日本'"],
    ['LATIN1', Buffer.from("SELECT 'é\x80'", 'latin1'), "SELECT 'é\x80'"],
    ['SJIS', fromHex('53454c45435420 27 93fa967b 27'), "SELECT '日本'"],
    ['SJIS', fromHex('53454c45435420 27 955c 27'), "SELECT '表'"],
    ['EUC_JP', fromHex('53454c45435420 27 c6fccbdc 27'), "SELECT '日本'"],
    ['WIN1251', fromHex('27 cff0e8e2e5f2 27'), "'Привет'"],
  ])('%s', (encoding, bytes, text) => {
    expect(queryOf(encoding, bytes)?.text).toBe(text)
  })

  test('text that is none is shown as hex beside it', () => {
    const bytes = Buffer.from("SELECT '\xff'", 'latin1')
    for (const encoding of ['UTF8', 'SQL_ASCII', 'MULE_INTERNAL']) {
      expect(queryOf(encoding, bytes)?.text).toEqual({
        text: "SELECT '\ufffd'",
        hex: `\\x${bytes.toString('hex')}`,
        standardConformingStrings: true,
      })
    }
  })

  test('it may change', () => {
    const events = talk([
      sent(f.query('SET client_encoding TO latin1')),
      answered(b.commandComplete('SET'), b.parameterStatus('client_encoding', 'LATIN1'), b.readyForQuery()),
      sent(f.query(Buffer.from("SELECT '\xe9'", 'latin1'))),
      answered(done('SELECT 0')),
    ])
    expect(events[1]).toMatchObject({ text: "SELECT 'é'" })
  })
})
