import { describe, expect, test } from 'vitest'
import { assignSockets, inheritedSockets, showSocket } from '../../../src/commands/sockets.ts'
import { ConfigError } from '../../../src/errors.ts'

const PID = 4711

describe('inherited sockets', () => {
  test.each([
    ['127.0.0.1:43401=4', [{ fd: 4, host: '127.0.0.1', port: 43401 }]],
    ['43402=5', [{ fd: 5, port: 43402 }]],
    ['[::1]:43403=6', [{ fd: 6, host: '::1', port: 43403 }]],
    ['/path/u.sock=6', [{ fd: 6, path: '/path/u.sock' }]],
    ['/odd=path/u.sock=6', [{ fd: 6, path: '/odd=path/u.sock' }]],
    [
      '127.0.0.1:43401=4;43402=5;/path/u.sock=6',
      [
        { fd: 4, host: '127.0.0.1', port: 43401 },
        { fd: 5, port: 43402 },
        { fd: 6, path: '/path/u.sock' },
      ],
    ],
  ])('SERVER_STARTER_PORT %s', (text, sockets) => {
    expect(inheritedSockets({ SERVER_STARTER_PORT: text }, PID)).toEqual(sockets)
  })

  test.each(['', '43401', '=4', '43401=', '43401=x', '43401=4;'])(
    'SERVER_STARTER_PORT %j is refused',
    (text) => {
      expect(() => inheritedSockets({ SERVER_STARTER_PORT: text }, PID)).toThrow(ConfigError)
    },
  )

  test('LISTEN_FDS counts from 3, with names', () => {
    const env = { LISTEN_FDS: '2', LISTEN_PID: String(PID), LISTEN_FDNAMES: 'main:other' }
    expect(inheritedSockets(env, PID)).toEqual([
      { fd: 3, name: 'main' },
      { fd: 4, name: 'other' },
    ])
  })

  test.each([
    { LISTEN_FDS: '1', LISTEN_PID: '1' },
    { LISTEN_FDS: 'x', LISTEN_PID: String(PID) },
    { LISTEN_FDS: '0', LISTEN_PID: String(PID) },
    {},
  ])('no sockets for us in %j', (env) => {
    expect(() => inheritedSockets(env, PID)).toThrow(ConfigError)
  })
})

describe('assigning', () => {
  const sockets = inheritedSockets({ SERVER_STARTER_PORT: '127.0.0.1:1001=4;1002=5;/u.sock=6;1004=7' }, PID)
  const fds = (listeners: Parameters<typeof assignSockets>[1]) =>
    assignSockets(sockets, listeners).assigned.map((socket) => socket.fd)

  test('by address, the others in order', () => {
    expect(
      fds([
        { name: 'a' },
        { name: 'b', listen: { path: '/u.sock' } },
        { name: 'c', listen: { host: '', port: 1002 } },
        { name: 'd', listen: { host: '10.0.0.1', port: 9 } },
      ]),
    ).toEqual([4, 6, 5, 7])
  })

  test('a port on another address is another socket', () => {
    expect(fds([{ name: 'a', listen: { host: '127.0.0.2', port: 1002 } }])).toEqual([4])
    expect(fds([{ name: 'a', listen: { host: '0.0.0.0', port: 1002 } }])).toEqual([5])
  })

  test('by systemd name', () => {
    const named = [
      { fd: 3, name: 'one' },
      { fd: 4, name: 'two' },
    ]
    const { assigned, left } = assignSockets(named, [{ name: 'two' }])
    expect(assigned.map(showSocket)).toEqual(['two'])
    expect(left.map(showSocket)).toEqual(['one'])
  })

  test('too few are an error of the environment', () => {
    expect(() => assignSockets(sockets.slice(0, 1), [{ name: 'a' }, { name: 'b' }])).toThrow(
      '1 of 2 sockets were handed over: none is left for listener b',
    )
  })

  test('are shown as they were told', () => {
    expect(sockets.map(showSocket)).toEqual(['127.0.0.1:1001', ':1002', '/u.sock', ':1004'])
    expect(showSocket({ fd: 9, host: '::1', port: 5 })).toBe('[::1]:5')
    expect(showSocket({ fd: 9 })).toBe('fd 9')
  })
})
