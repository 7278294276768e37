/** Greeting, log-in, TLS, and other protocols on the port. */
import { describe, expect, test } from 'vitest'
import { CLIENT_MULTI_FACTOR_AUTHENTICATION, CLIENT_SSL } from '../../../dumpers/mysql/capabilities.ts'
import { openLink } from '../../../src/observe/link.ts'
import { ofKind, type Plain, whoOf } from '../../support/canonical.ts'
import {
  answered,
  asked,
  b,
  briefs,
  f,
  hold,
  LOGIN,
  loginOf,
  MODERN,
  packets,
  replied,
  sent,
} from '../../support/my-conversation.ts'
import { packet, SERVERS } from '../../support/my-wire.ts'

const greeted = answered(packets(0, b.greeting()))
const loginIn = (events: readonly Plain[]): Plain => ofKind(events, 'session.auth')[0]!

describe('the log-in', () => {
  test('tells who it is, and by which method', () => {
    const events = hold(
      loginOf({ attrs: { _client_name: 'libmysql', program_name: 'shell' } }, { threadId: 77 }),
    )
    expect(events).toMatchObject([
      { event: 'session.auth', outcome: 'success', auth_method: 'mysql_native_password' },
    ])
    expect(whoOf(events[0])).toEqual({
      dialect: 'mysql',
      username: 'alice',
      database: 'shop',
      application_name: 'shell',
      connect_attrs: '{"_client_name":"libmysql","program_name":"shell"}',
      server_version: '10.11.6-MariaDB',
      backend_pid: 77,
    })
  })

  test.each([
    ['5.6.51', SERVERS.mysql56, 255, 'latin1'],
    ['5.6.51', SERVERS.mysql56, 248, 'latin1'],
    ['5.7.44', SERVERS.mysql56, 255, 'latin1'],
    ['5.7.44', SERVERS.mysql56, 248, 'gb18030'],
    ['8.0.36', SERVERS.mysql80, 255, 'utf8mb4'],
    [SERVERS.mariadb.version, SERVERS.mariadb, 255, 'latin1'],
  ])('of a collation that the server lacks has its default: %s', (version, server, id, expected) => {
    const greeting = { ...server, version, characterSet: 8 }
    const events = hold([...loginOf({ collation: id }, greeting), ...asked('select 1')])
    expect(ofKind(events, 'statement')).toMatchObject([{ character_set: expected }])
    const changed = hold([
      ...loginOf({ collation: 33 }, greeting),
      sent(f.changeUser({ user: 'bob', collation: id })),
      replied(b.ok()),
      ...asked('select 1'),
    ])
    expect(ofKind(changed, 'statement')).toMatchObject([{ character_set: expected }])
  })

  test('case 28: of clients before 4.1', () => {
    const events = hold([
      greeted,
      sent(f.response320({ user: 'old', database: 'shop' })),
      answered(packets(2, b.ok())),
    ])
    expect(whoOf(loginIn(events))).toMatchObject({ username: 'old', database: 'shop' })
  })

  test('case 30: that is refused has its user and the error', () => {
    const events = hold([
      greeted,
      sent(f.response41({ user: 'eve' })),
      answered(packets(2, b.err(1045, 'Access denied', '28000'))),
    ])
    expect(events).toMatchObject([
      {
        event: 'session.auth',
        outcome: 'error',
        error_number: 1045,
        error_code: '28000',
        error_message: 'Access denied',
      },
    ])
    expect(whoOf(events[0]).username).toBe('eve')
  })

  test('that nobody saw decided is unknown', () => {
    expect(hold([greeted, sent(f.response41({ user: 'eve' }))])).toMatchObject([
      { event: 'session.auth', outcome: 'unknown' },
    ])
  })

  test('case 64: what goes on behind it without being asked for is no command', () => {
    const answer = packet(3, Buffer.concat([Buffer.alloc(20), f.query('drop table t')]))
    const events = hold([
      greeted,
      sent(f.response41({ user: 'alice' }), answer.subarray(0, 24)),
      answered(packets(2, b.ok())),
      sent(answer.subarray(24), f.query('drop table u')),
      answered(packet(0, b.err(1156, 'Got packets out of order', '08S01'))),
    ])
    expect(events).toMatchObject([
      { event: 'session.auth', outcome: 'success' },
      { event: 'gap', gap_reason: 'framing', direction: '->' },
    ])
  })

  // MariaDB 10.11 and MySQL 5.6 took log-ins like these, and ran what followed
  test.each([
    ['no secret behind the user', ''],
    ['a length of NULL for the secret', '\xfb'],
    ['attributes that are longer than the packet', '\0mysql_native_password\0\x05'],
  ])('case 63: whose end is broken agrees on what its flags say: %s', (_, end) => {
    const start = f.response41({ flags: MODERN }).subarray(4, 4 + 32)
    const response = Buffer.concat([start, Buffer.from(`root\0${end}`, 'latin1')])
    const events = hold([
      greeted,
      sent(packet(1, response), f.query('do 1')),
      answered(packets(2, b.ok())),
      replied(b.ok()),
    ])
    expect(events).toMatchObject([{ event: 'session.auth', outcome: 'success' }, { text: 'do 1' }])
    expect(whoOf(events[1]).username).toBe('root')
  })

  test('case 30: an error in the place of the greeting has no SQLSTATE', () => {
    expect(hold([answered(packets(0, b.err(1040, 'Too many connections', null)))])).toMatchObject([
      {
        event: 'session.auth',
        outcome: 'error',
        error_number: 1040,
        error_message: 'Too many connections',
      },
    ])
  })

  test.each([
    ['AuthSwitchRequest', [b.authSwitch('ed25519')], 'ed25519'],
    ['the old AuthSwitchRequest of one byte', [b.oldAuthSwitch()], 'mysql_old_password'],
    ['AuthMoreData leaves the method', [b.performFullAuthentication()], 'mysql_native_password'],
  ])('case 29: %s', (_, asks, method) => {
    const events = hold([
      greeted,
      sent(f.response41({ user: 'alice' })),
      answered(packets(2, ...asks)),
      sent(f.authResponse(3, 'a secret that looks like \x03 a query')),
      answered(packets(4, b.ok())),
      ...asked('select 1'),
    ])
    expect(loginIn(events)).toMatchObject({ outcome: 'success', auth_method: method })
    expect(briefs(events)).toEqual(['success select 1'])
    expect(JSON.stringify(events)).not.toContain('secret')
  })

  test('a second factor is the method in the end', () => {
    const events = hold([
      answered(packets(0, b.greeting(SERVERS.mysql80))),
      sent(f.response41({ flags: MODERN | CLIENT_MULTI_FACTOR_AUTHENTICATION })),
      answered(packets(2, b.fastAuthSuccess(), b.authNextFactor('authentication_webauthn_client'))),
      sent(f.authResponse(4)),
      answered(packets(5, b.ok())),
    ])
    expect(loginIn(events)).toMatchObject({
      outcome: 'success',
      auth_method: 'authentication_webauthn_client',
    })
  })

  test('commands sent along with it run when it is accepted', () => {
    const response = f.response41({ user: 'alice', flags: MODERN })
    const events = hold([
      greeted,
      sent(response, f.query('select 1'), f.query('select 2')),
      answered(packets(2, b.ok()), packets(1, b.ok()), packets(1, b.err(1064, 'no'))),
    ])
    expect(briefs(events)).toEqual(['success select 1', 'error select 2'])
    expect(
      briefs(
        hold([greeted, sent(response, f.query('drop table t')), answered(packets(2, b.err(1045, 'no')))]),
      ),
    ).toEqual([])
  })

  test('more than 64 KiB of them are a gap', () => {
    const events = hold([
      greeted,
      sent(f.response41({})),
      sent(f.query('x'.repeat(70_000))),
      answered(packets(2, b.ok())),
    ])
    expect(ofKind(events, 'gap')).toMatchObject([{ gap_reason: 'overflow' }])
  })

  test('names its thread to other sessions until it ends', () => {
    const link = openLink()
    const kill = [
      ...loginOf({}, { threadId: 8 }),
      sent(f.processKill(77)),
      replied(b.ok()),
      ...asked('KILL QUERY 77'),
      ...asked('KILL QUERY CONNECTION_ID()'),
      ...asked("KILL USER 'bob'"),
    ]
    link.claim('mysql-thread:77', 'victim')
    const events = hold(kill, () => ({ link, connId: 'killer' }))
    expect(ofKind(events, 'cancel')).toMatchObject([
      { target_backend_pid: 77, target_conn_id: 'victim', stmt_seq: 1, cancel_scope: 'connection' },
      { target_backend_pid: 77, target_conn_id: 'victim', stmt_seq: 2, cancel_scope: 'query' },
      { target_backend_pid: 8, target_conn_id: 'killer', stmt_seq: 3, cancel_scope: 'query' },
      { target_username: 'bob', stmt_seq: 4, cancel_scope: 'connection' },
    ])
    expect(link.find('mysql-thread:8')).toBeUndefined()
  })
})

describe('what cannot be read', () => {
  test('TLS is one gap', () => {
    const events = hold([
      answered(packets(0, b.greeting({ flags: SERVERS.mariadb.flags | CLIENT_SSL }))),
      sent(f.sslRequest(), Buffer.from('160301', 'hex')),
      answered(Buffer.from('16030300', 'hex')),
    ])
    expect(events).toMatchObject([{ event: 'gap', gap_reason: 'tls' }])
  })

  test('case 50: the X protocol, by what its client says', () => {
    const events = hold([
      sent(Buffer.from('0100000001', 'hex')),
      answered(Buffer.from('05000000020a01b00000', 'hex')),
    ])
    expect(events).toMatchObject([{ event: 'gap', gap_reason: 'mysqlx' }])
  })

  test('case 50: the X protocol, by the notice that its server begins with', () => {
    const events = hold([
      answered(Buffer.from('050000000b08051a00', 'hex')),
      sent(Buffer.from('0100000001', 'hex')),
    ])
    expect(events).toMatchObject([{ event: 'gap', gap_reason: 'mysqlx' }])
  })

  test.each([
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'.padEnd(6_000_000, ' '))],
    ['protocol version 9', packets(0, b.greeting9())],
    ['a greeting cut short', packets(0, Buffer.from([10, 53, 46]))],
  ])('%s is foreign', (_, bytes) => {
    expect(hold([answered(bytes)])).toMatchObject([{ event: 'gap', gap_reason: 'foreign' }])
  })

  test.each([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: example.org\r\n\r\n', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['PostgreSQL', '\0\0\0\x09\0\x03\0\0\0', 'R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I'],
  ])('%s on the port is foreign, once', (_, asks, answers) => {
    const bytes = (text: string) => Buffer.from(text, 'latin1')
    const turns = [sent(bytes(asks)), answered(bytes(answers))]
    expect(hold([...turns, ...turns])).toMatchObject([{ event: 'gap', gap_reason: 'foreign' }])
  })

  test('a client that says nothing leaves nothing', () => {
    expect(hold([greeted])).toEqual([])
    expect(hold(LOGIN)).toHaveLength(1)
  })
})
