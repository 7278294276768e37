import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Config } from '../../../config/load.ts'
import { main } from '../../../src/commands/main.ts'
import { ConfigError } from '../../../src/errors.ts'

const runProxy = vi.hoisted(() =>
  vi.fn<(config: Config, options: { stdout: boolean }) => Promise<number>>(),
)
const runRead = vi.hoisted(() => vi.fn<(config: Config, options: object) => Promise<number>>())
const runProbe = vi.hoisted(() => vi.fn<(config: Config, options: object) => Promise<number>>())
const runDemo = vi.hoisted(() => vi.fn<(options: object) => Promise<number>>())
vi.mock('../../../src/commands/proxy.ts', () => ({ runProxy }))
vi.mock('../../../src/commands/read.ts', () => ({ runRead }))
vi.mock('../../../src/commands/probe.ts', () => ({ runProbe }))
vi.mock('../../../src/commands/demo.ts', () => ({ runDemo }))

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'querytap-main-'))
})
afterAll(() => rmSync(directory, { recursive: true }))
beforeEach(() => {
  runProxy.mockReset().mockResolvedValue(0)
  runProbe.mockReset().mockResolvedValue(0)
  runRead.mockReset().mockResolvedValue(0)
  runDemo.mockReset().mockResolvedValue(0)
})

const fileWith = (text: string): string => {
  const file = join(directory, 'querytap.toml')
  writeFileSync(file, text)
  return file
}

const run = async (
  argv: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; out: string; err: string }> => {
  const said = { out: '', err: '' }
  const code = await main(argv, {
    out: (text) => {
      said.out += text
    },
    err: (text) => {
      said.err += text
    },
    env,
  })
  return { code, ...said }
}

/** No file is looked for in the usual places of the machine that runs the tests. */
const nothing = (): string[] => ['-c', fileWith('')]
const proxied = (): Config => runProxy.mock.calls[0]?.[0] as Config

describe('commands', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

  test.each([[['version']], [['--version']], [['-V']]])('%j', async (argv) => {
    expect(await run(argv)).toEqual({ code: 0, out: `${version}\n`, err: '' })
  })

  test.each([[[]], [['--help']], [['help']]])('%j prints help', async (argv) => {
    const { code, out, err } = await run(argv)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const word of [
      'Usage: querytap',
      'proxy',
      'config',
      'demo',
      'version',
      'probe',
      'read',
      'verify',
      'keygen',
    ])
      expect(out).toContain(word)
  })

  test.each<[string[], string]>([
    [['proxi'], "querytap: unknown command 'proxi' (Did you mean proxy?)\n"],
    [['proxy', '--lisen', ':1'], "querytap: unknown option '--lisen' (Did you mean --listen?)\n"],
    [['proxy', '-l'], "querytap: option '-l, --listen <address>' argument missing\n"],
    [['proxy', 'extra'], "querytap: too many arguments for 'proxy'. Expected 0 arguments but got 1.\n"],
    [['config', '--chek'], "querytap: unknown option '--chek' (Did you mean --check?)\n"],
  ])('%j is wrong use', async (argv, err) => {
    expect(await run(argv)).toEqual({ code: 2, out: '', err })
    expect(runProxy).not.toHaveBeenCalled()
  })

  test.each<[string[], object]>([
    [['demo'], { once: false }],
    [['demo', '--once', '-r', 'db:5432'], { once: true, remote: 'db:5432' }],
  ])('%j', async (argv, options) => {
    expect((await run(argv)).code).toBe(0)
    expect(runDemo).toHaveBeenCalledExactlyOnceWith(options)
  })
})

describe('proxy', () => {
  test("tcpdp's flags, short", async () => {
    const { code } = await run(['proxy', ...nothing(), '-l', ':15432', '-r', 'db:6432', '-d', 'pg', '-s'])
    expect(code).toBe(0)
    expect(proxied().listeners).toMatchObject([
      { listen: { host: '', port: 15_432 }, remote: { host: 'db', port: 6432 }, dumper: 'pg' },
    ])
    expect(proxied().proxy.useServerStarter).toBe(true)
    expect(runProxy.mock.calls[0]?.[1]).toEqual({ stdout: false })
  })

  test('all flags, long', async () => {
    const flags = ['--listen', ':1', '--remote', 'db:5432', '--dumper', 'hex', '--use-server-starter']
    const more = ['--proxy-protocol', '--stdout', '--format', 'ltsv', '--pidfile', '/p', '--log-dir', '/l']
    const { code } = await run([
      'proxy',
      '--config',
      fileWith(''),
      ...flags,
      ...more,
      '--dump-log-dir',
      '/d',
    ])
    expect(code).toBe(0)
    expect(proxied().querytap).toEqual({ pidfile: '/p', dumper: 'hex', proxyProtocol: true })
    expect(proxied().dumpLog).toMatchObject({ stdout: true, stdoutFormat: 'ltsv', dir: '/d' })
    expect(proxied().log.dir).toBe('/l')
    expect(runProxy.mock.calls[0]?.[1]).toEqual({ stdout: true })
  })

  test('flags win over the environment, and that over the file', async () => {
    const file = fileWith('[proxy]\nlistenAddr = ":1"\nremoteAddr = "a:5432"\ndialTimeout = 3')
    await run(['proxy', '-c', file, '-l', ':3'], {
      QUERYTAP_PROXY_LISTENADDR: ':2',
      TCPDP_PROXY_REMOTEADDR: 'b:5432',
    })
    expect(proxied().proxy).toMatchObject({ listenAddr: ':3', remoteAddr: 'b:5432', dialTimeout: 3000 })
  })

  test('its exit code is that of the program', async () => {
    runProxy.mockResolvedValue(1)
    expect((await run(['proxy', ...nothing(), '-l', ':1', '-r', 'db:5432'])).code).toBe(1)
  })

  test.each<[string, string[], RegExp]>([
    [
      'bad address',
      ['-l', 'nowhere', '-r', 'db:5432'],
      /^querytap: --listen: the port is missing; wanted .*"nowhere"\n$/,
    ],
    ['no server', ['-l', ':1'], /^querytap: the server's address is wanted: -r HOST:PORT.*\n$/],
    ['no dialect', ['-l', ':1', '-r', 'db:6432'], /^querytap: the dialect is wanted: -d pg.*\n$/],
    [
      'no file',
      ['-c', '/nonexistent.toml'],
      /^querytap: --config \/nonexistent.toml: there is no such file\n$/,
    ],
  ])('%s: exit code 2, one line', async (_, argv, err) => {
    const result = await run(['proxy', ...(argv[0] === '-c' ? [] : nothing()), ...argv])
    expect(result).toMatchObject({ code: 2, out: '', err: expect.stringMatching(err) })
  })

  test('all problems of a file, a line each', async () => {
    const file = fileWith('[log]\nfoo = 1\n[dumpLog]\nformat = "xml"')
    expect(await run(['proxy', '-c', file])).toEqual({
      code: 2,
      out: '',
      err:
        `querytap: ${file}:2: log.foo: unknown key\n` +
        `querytap: ${file}:4: dumpLog.format: wanted "json" or "ltsv", got "xml"\n`,
    })
  })

  test.each<[Error, number]>([
    [new ConfigError('environment', 'proxy.listenAddr', ':1: the port is in use'), 1],
    [new ConfigError('usage', '-d', 'no such dumper'), 2],
    [new TypeError('a mistake of ours'), 1],
  ])('%s ends with exit code %i and without a stack', async (error, code) => {
    runProxy.mockRejectedValue(error)
    const argv = ['proxy', ...nothing(), '-l', ':1', '-r', 'db:5432']
    expect(await run(argv)).toEqual({ code, out: '', err: `querytap: ${error.message}\n` })
    expect((await run(argv, { QUERYTAP_DEBUG: '1' })).err).toMatch(/\nquerytap: {5}at /)
  })
})

describe('config', () => {
  test('prints what is in effect, which is taken again', async () => {
    const first = await run(['config', '-c', fileWith('[tcpdp]\ndumper = "hex"')], {
      QUERYTAP_LOG_DIR: '/l',
    })
    expect(first).toMatchObject({ code: 0, err: '' })
    expect(first.out).toContain('dumper = "hex"')
    expect(first.out).toContain('dir = "/l"')
    expect(await run(['config', '-c', fileWith(first.out)])).toEqual(first)
  })

  test('--check', async () => {
    const file = fileWith('[proxy]\nlistenAddr = ":1"\nremoteAddr = "db:5432"')
    expect(await run(['config', '--check', '-c', file])).toEqual({
      code: 0,
      out: `${file}: fine, 1 listener\n`,
      err: '',
    })
    expect(await run(['config', '--check', '-c', fileWith('[log')])).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^querytap: \S+:1:\d+: this is not TOML: [^\n]+\n$/),
    })
  })
})

describe('read', () => {
  test("takes its file and tcpdp's flags", async () => {
    const flags = ['-t', 'db:6432||5432', '-d', 'pg', '-f', 'ltsv', '--proxy-protocol']
    runRead.mockResolvedValue(1)
    expect(await run(['read', 'a.pcap', ...flags, ...nothing()])).toMatchObject({ code: 1, err: '' })
    const [config, options] = runRead.mock.calls[0] ?? []
    expect(config?.probe.target).toBe('db:6432||5432')
    expect(config?.querytap).toMatchObject({ dumper: 'pg', proxyProtocol: true })
    expect(config?.dumpLog.stdoutFormat).toBe('ltsv')
    expect(options).toMatchObject({ file: 'a.pcap', log: false })
  })

  test('without a file it is the standard input; --log is for the audit log', async () => {
    await run(['read', '-t', '5432', '--log', ...nothing()])
    expect(runRead.mock.calls[0]?.[1]).not.toHaveProperty('file')
    expect(runRead.mock.calls[0]?.[1]).toMatchObject({ log: true })
  })

  test.each([[['-f', 'xml']], [['a.pcap', 'b.pcap']], [['--listen', ':1']]])(
    '%j is wrong use',
    async (flags) => {
      expect((await run(['read', ...flags, ...nothing()])).code).toBe(2)
      expect(runRead).not.toHaveBeenCalled()
    },
  )
})

describe('probe', () => {
  test("takes tcpdp's flags", async () => {
    const flags = [
      '-i',
      'eth0',
      '-t',
      '3306',
      '-d',
      'mysql',
      '-B',
      '4MB',
      '--immediate-mode',
      '-s',
      '1500B',
    ]
    const more = ['--filter', 'tcp port 3306 or udp', '--stdout', '--proxy-protocol', '--pidfile', '/p']
    expect(await run(['probe', ...flags, ...more, ...nothing()])).toMatchObject({ code: 0, err: '' })
    const [config, options] = runProbe.mock.calls[0] ?? []
    expect(config?.probe).toMatchObject({
      interface: 'eth0',
      target: '3306',
      bufferSize: 4 << 20,
      immediateMode: true,
      snapshotLength: '1500B',
      filter: 'tcp port 3306 or udp',
    })
    expect(config?.querytap).toMatchObject({ dumper: 'mysql', pidfile: '/p', proxyProtocol: true })
    expect(options).toEqual({ stdout: true })
  })

  test('takes [probe] of a file in which listeners stand as well', async () => {
    const text = '[probe]\ninterface = "lo"\n[[listener]]\nlistenAddr = ":1"\nremoteAddr = "db:5432"\n'
    expect((await run(['probe', '-d', 'pg', '-c', fileWith(text)])).code).toBe(0)
    expect(runProbe.mock.calls[0]?.[0].probe.interface).toBe('lo')
  })
})
