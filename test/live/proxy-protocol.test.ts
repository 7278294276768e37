import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHaproxy } from '../support/haproxy.ts'
import { describeLive } from '../support/live.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { runOk } from '../support/programs.ts'
import { type Querytap, startQuerytap } from '../support/querytap.ts'

let server: Postgres
let tap: Querytap

beforeAll(async () => {
  server = await startPostgres()
  tap = await startQuerytap({ remote: server.port, args: ['--proxy-protocol'] })
})

afterAll(async () => {
  await tap?.stop()
  await server?.stop()
  tap?.remove()
})

await describeLive('haproxy in front, with a PROXY header', ['postgres', 'haproxy'], () => {
  test.each(['v1', 'v2'] as const)('%s: recorded and consumed', async (version) => {
    const haproxy = await startHaproxy({ backend: tap.port, sendProxy: version })
    try {
      const target = ['-h', '127.0.0.1', '-p', String(haproxy.port), '-U', server.user, server.database]
      const sql = `SELECT inet_client_port() > 0, '${version}'`
      expect(await runOk(server.program('psql'), ['-X', '-A', '-t', '-c', sql, ...target])).toBe(
        `t|${version}\n`,
      )
      const records = await tap.waitFor((all) => all.some(({ query }) => query === sql))
      const record = records.find(({ query }) => query === sql)
      expect(record?.proxy_protocol_dst_addr).toBe(`127.0.0.1:${haproxy.port}`)
      expect(record?.proxy_protocol_src_addr).toMatch(/^127\.0\.0\.1:\d+$/)
      expect(record?.proxy_protocol_src_addr).not.toBe(record?.client_addr)
    } finally {
      await haproxy.stop()
    }
  })

  test('a client without the header is turned away', async () => {
    const target = ['-h', '127.0.0.1', '-p', String(tap.port), '-U', server.user, server.database]
    await expect(runOk(server.program('psql'), ['-X', '-c', 'SELECT 1', ...target])).rejects.toThrow()
    const records = await tap.waitFor((all) => all.some(({ end_reason }) => end_reason === 'proxy_header'))
    expect(records.filter(({ query }) => query === 'SELECT 1')).toEqual([])
  })
})
