import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startHaproxy } from '../support/haproxy.ts'
import { describeLive } from '../support/live.ts'
import { startPostgres } from '../support/postgres.ts'
import { accepts, runOk } from '../support/programs.ts'

await describeLive('the servers of the live tests', ['postgres', 'haproxy'], () => {
  test('PostgreSQL answers, logs statements as JSON, and leaves nothing behind', async () => {
    const postgres = await startPostgres({ settings: { log_statement: 'all' } })
    expect(await postgres.psql("SELECT 'é' || 1")).toBe('é1\n')
    const messages = (await postgres.readLog()).map((entry) => entry.message)
    expect(messages).toContain("statement: SELECT 'é' || 1")
    await postgres.stop()
    expect(existsSync(postgres.socketDir)).toBe(false)
    expect(await accepts({ port: postgres.port })).toBe(false)
  })

  test('PostgreSQL takes TLS, passwords and lines of pg_hba.conf', async () => {
    const hba = ['host all scram 127.0.0.1/32 scram-sha-256', 'host all plain 127.0.0.1/32 password']
    const postgres = await startPostgres({ tls: true, hba })
    try {
      await postgres.psql(
        "CREATE ROLE scram LOGIN PASSWORD 'open'; CREATE ROLE plain LOGIN PASSWORD 'sesame'",
      )
      const login = (user: string, password: string) => {
        const url = `host=127.0.0.1 port=${postgres.port} dbname=postgres user=${user} sslmode=require`
        const sql = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
        const env = { ...process.env, PGPASSWORD: password }
        return runOk(postgres.program('psql'), ['-X', '-A', '-t', '-c', sql, url], { env })
      }
      expect(await login('scram', 'open')).toBe('t\n')
      expect(await login('plain', 'sesame')).toBe('t\n')
      await expect(login('scram', 'wrong')).rejects.toThrow('password authentication failed')
    } finally {
      await postgres.stop()
    }
  })

  test('haproxy forwards to it', async () => {
    const postgres = await startPostgres()
    const haproxy = await startHaproxy({ backend: postgres.port })
    try {
      const args = ['-X', '-A', '-t', '-h', '127.0.0.1', '-p', String(haproxy.port), '-U', 'postgres']
      const answer = await runOk(postgres.program('psql'), [...args, '-c', 'SHOW port'])
      expect(answer).toBe(`${postgres.port}\n`)
    } finally {
      await haproxy.stop()
      await postgres.stop()
    }
  })
})
