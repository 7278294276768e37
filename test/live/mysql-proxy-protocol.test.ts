import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHaproxy } from '../support/haproxy.ts'
import { describeLive } from '../support/live.ts'
import { startMariaDb } from '../support/mariadb.ts'
import { cliArguments, MARIADB_CLI, type MyServer } from '../support/my-server.ts'
import { frontend, packet } from '../support/my-wire.ts'
import { runOk } from '../support/programs.ts'
import { type Querytap, startQuerytap } from '../support/querytap.ts'

let server: MyServer
let tap: Querytap
/** passes the header on to the server, which reads it */
let forwarding: Querytap

const ask = (port: number, sql: string): Promise<string> =>
  runOk(MARIADB_CLI, [...cliArguments({ port }), '--batch', '--skip-column-names', '-e', sql])

beforeAll(async () => {
  server = await startMariaDb({ settings: { 'proxy-protocol-networks': '127.0.0.1' } })
  tap = await startQuerytap({ remote: server.port, dumper: 'mysql', args: ['--proxy-protocol'] })
  forwarding = await startQuerytap({
    remote: server.port,
    dumper: 'mysql',
    args: ['--proxy-protocol'],
    config: { proxy: { proxyProtocolForward: true } },
  })
})

afterAll(async () => {
  await tap?.stop()
  await forwarding?.stop()
  await server?.stop()
  tap?.remove()
  forwarding?.remove()
})

await describeLive('haproxy before MariaDB, with a PROXY header', ['mariadb', 'haproxy'], () => {
  test.each(['v1', 'v2'] as const)('%s: recorded and consumed', async (version) => {
    const haproxy = await startHaproxy({ backend: tap.port, sendProxy: version })
    try {
      const sql = `SELECT '${version}'`
      expect(await ask(haproxy.port, sql)).toBe(`${version}\n`)
      const records = await tap.waitFor((all) => all.some(({ query }) => query === sql))
      const record = records.find(({ query }) => query === sql)
      expect(record?.proxy_protocol_dst_addr).toBe(`127.0.0.1:${haproxy.port}`)
      expect(record?.proxy_protocol_src_addr).toMatch(/^127\.0\.0\.1:\d+$/)
      expect(record?.proxy_protocol_src_addr).not.toBe(record?.client_addr)
      const start = records.find(
        ({ event, conn_id }) => event === 'session.start' && conn_id === record?.conn_id,
      )
      expect(start?.proxy_protocol_src_addr).toBe(record?.proxy_protocol_src_addr)
    } finally {
      await haproxy.stop()
    }
  })

  test('passed on to a server that takes it, and that greets before it has come', async () => {
    const haproxy = await startHaproxy({ backend: forwarding.port, sendProxy: 'v2' })
    try {
      const host = 'SELECT HOST FROM information_schema.processlist WHERE ID = CONNECTION_ID()'
      const seen = (await ask(haproxy.port, host)).trim()
      const records = await forwarding.waitFor((all) => all.some(({ query }) => query === host))
      const record = records.find(({ query }) => query === host)
      expect(record?.proxy_protocol_src_addr).toBe(seen)
    } finally {
      await haproxy.stop()
    }
  })

  const HEADER = Buffer.from('PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n')
  const login = frontend.response41({ user: 'root', secret: Buffer.alloc(0) })

  /** Sends all at once, and gives what comes until the other side ends it, or has said OK to the log-in. */
  const say = async (port: number, ...bytes: Buffer[]): Promise<string> => {
    const socket = connect(port, '127.0.0.1')
    socket.write(Buffer.concat(bytes))
    let said = ''
    for await (const chunk of socket) {
      said += (chunk as Buffer).toString('latin1')
      if (said.endsWith('\x07\0\0\x02\0\0\0\x02\0\0\0')) return 'logged in'
    }
    return said
  }

  test('a header of the client’s own would hide its log-in: the server takes it, the proxy does not', async () => {
    expect(await say(server.port, HEADER, login)).toBe('logged in')
    expect(await say(server.port, HEADER, HEADER, login)).toBe('logged in')
    expect(await say(tap.port, HEADER, login)).toBe('logged in')
    expect(await say(tap.port, HEADER, HEADER, login)).toContain('a PROXY header is not expected here')
  })

  test('nor behind its first packet, where it would hide a statement', async () => {
    const asked = frontend.response41({ user: 'root', secret: Buffer.alloc(0), plugin: 'dialog' })
    const hidden = Buffer.concat([HEADER, packet(3, ''), frontend.query('SELECT 99')])
    /** the answer to what is sent in place of an answer to the server's request to switch the method */
    const answer = async (port: number, ...first: Buffer[]): Promise<string> => {
      const socket = connect(port, '127.0.0.1')
      socket.write(Buffer.concat([...first, asked]))
      let said = ''
      for await (const chunk of socket) {
        const before = said.includes('mysql_native_password\0', 90)
        said += (chunk as Buffer).toString('latin1')
        if (!before && said.includes('mysql_native_password\0', 90)) socket.write(hidden)
        if (said.endsWith('\xfe\0\0\x02\0')) return 'ran'
      }
      return said
    }
    expect(await answer(server.port)).toBe('ran')
    expect(await answer(tap.port, HEADER)).toContain('a PROXY header is not expected here')
  })

  test('a client without the header is turned away', async () => {
    await expect(ask(tap.port, 'SELECT 3')).rejects.toThrow()
    const records = await tap.waitFor((all) => all.some(({ end_reason }) => end_reason === 'proxy_header'))
    expect(records.filter(({ query }) => query === 'SELECT 3')).toEqual([])
  })
})
