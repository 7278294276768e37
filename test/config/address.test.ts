import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { formatAddress, isNetwork, parseAddress, parseRemoteAddress } from '../../config/address.ts'

describe('addresses', () => {
  test.each<[string, object]>([
    ['localhost:5432', { host: 'localhost', port: 5432 }],
    ['10.0.0.1:0', { host: '10.0.0.1', port: 0 }],
    ['db_1.example-2.com:65535', { host: 'db_1.example-2.com', port: 65_535 }],
    ['[::1]:5432', { host: '::1', port: 5432 }],
    ['[fe80::1%eth0]:5432', { host: 'fe80::1%eth0', port: 5432 }],
    [':5432', { host: '', port: 5432 }],
    ['*:5432', { host: '', port: 5432 }],
    ['/run/pg/.s.PGSQL.5432', { path: '/run/pg/.s.PGSQL.5432' }],
    ['./a.sock', { path: resolve('a.sock') }],
    ['dir/a.sock', { path: resolve('dir/a.sock') }],
    ['unix:a.sock', { path: resolve('a.sock') }],
    ['unix:/a.sock', { path: '/a.sock' }],
  ])('%s', (text, address) => {
    expect(parseAddress(text)).toEqual(address)
  })

  test.each([
    ['', 'this is no address'],
    ['localhost', 'the port is missing'],
    ['5432', 'the port is missing'],
    ['localhost:', 'this is no address'],
    ['localhost:http', 'this is no address'],
    ['localhost:65536', 'a port is at most 65535'],
    ['localhost:-1', 'this is no address'],
    ['local host:1', 'this is no host name'],
    ['::1', 'an IPv6 address stands in brackets: [::1]:PORT'],
    ['fe80::1:5432', 'an IPv6 address stands in brackets: [fe80::1:5432]:PORT'],
    ['a:b:1', 'this is no address'],
    ['[localhost]:1', 'this is no IPv6 address'],
    ['[::1]', 'this is no address'],
    ['unix:', 'the path is empty'],
    [`/${'a'.repeat(107)}`, "a socket's path has at most 107 bytes"],
  ])('%j: %s', (text, reason) => {
    expect(parseAddress(text)).toBe(reason)
  })

  test('a server has a port, and may be the own machine', () => {
    expect(parseRemoteAddress('db:0')).toBe('a server has no port 0')
    expect(parseRemoteAddress(':5432')).toEqual({ host: 'localhost', port: 5432 })
    expect(parseRemoteAddress('/a.sock')).toEqual({ path: '/a.sock' })
  })

  test.each(['localhost:5432', '[::1]:5432', ':0', '/run/a.sock'])('%s is written as it was', (text) => {
    const address = parseAddress(text)
    expect(typeof address === 'string' ? address : formatAddress(address)).toBe(text)
  })
})

test.each([
  ['10.0.0.0/8', true],
  ['10.0.0.1', true],
  ['0.0.0.0/0', true],
  ['::1', true],
  ['fd00::/128', true],
  ['10.0.0.0/33', false],
  ['fd00::/129', false],
  ['10.0.0/8', false],
  ['10.0.0.0/', false],
  ['10.0.0.0/8/8', false],
  ['fe80::1%eth0', false],
  ['localhost', false],
  ['', false],
])('%j is a network: %s', (text, expected) => {
  expect(isNetwork(text)).toBe(expected)
})
