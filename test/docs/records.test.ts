/** docs/records.md names every key, every event and every word that a record can have, and none besides. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const read = (path: string): string => readFileSync(at(path), 'utf8')

const page = read('docs/records.md')
const contract = read('src/event.ts')

/** Words of the page in code marks, and the pieces of `a.b` and `key = value` in them. */
const named = new Set([...page.matchAll(/`([^`\n]+)`/g)].map(([, word]) => word as string))

const bodyOf = (source: string, name: string): string => {
  const body = new RegExp(`(?:interface|type) ${name}\\b[^{=]*[{=]([^}]*?)(?:\\n\\}|\\n\\n)`).exec(
    source,
  )?.[1]
  if (body === undefined) throw new Error(`no ${name} in the contract`)
  return body
}

const keysOf = (source: string, name: string): string[] =>
  [...bodyOf(source, name).matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, key]) => key as string)

/** Keys that the encoder turns into others. */
const TURNED = ['at', 'who', 'event', 'text', 'executed', 'values', 'rows', 'fields']

const KINDS = [
  'SessionAuth',
  'SessionEnd',
  'StatementKeys',
  'PrepareKeys',
  'TxnEnd',
  'Cancel',
  'ChangeUser',
  'LocalInfile',
  'Replication',
  'Gap',
]
const keys = [
  ...[...KINDS, 'Who', 'ServerError'].flatMap((name) => keysOf(contract, name)),
  ...keysOf(read('src/flow.ts'), 'FlowFacts'),
].filter((key) => !TURNED.includes(key))

/** What the encoder itself calls things: `this.#key('bind_values')`, `#pair(`${key}_len`)`. */
const encoder = read('src/audit/encode.ts')
const made = [...encoder.matchAll(/#(?:key|pair|values)\('(\w+)'/g)].map(([, key]) => key as string)
const companions = [...encoder.matchAll(/`\$\{key\}(_\w+)`/g)].map(([, suffix]) => `query${suffix}`)

/** Keys of `audit.*`, as the sinks and the proxy make them. */
const sources = ['src/sinks', 'src/commands'].flatMap((folder) =>
  readdirSync(at(folder)).map((file) => read(`${folder}/${file}`)),
)
const life = sources.flatMap((source) => {
  const objects = [...source.matchAll(/fields(?::| =) \{([^}]*)\}|tell\('audit\.\w+', \{([^}]*)\}/g)]
  return objects.flatMap(([, a, b]) =>
    [...(a ?? b ?? '').matchAll(/(?:^|[{,\n])\s*(\w+)(?=[:,\s])/g)].map(([, key]) => key as string),
  )
})
const LIFE = [
  'prev_file',
  'lost_records',
  'delete_reason',
  'reason',
  'guarantee',
  'on_failure',
  'on_undecodable',
]

describe('docs/records.md', () => {
  test('the scan of the sources finds what it looks for', () => {
    expect(keys).toEqual(
      expect.arrayContaining(['conn_id', 'username', 'command_tags', 'error_hint', 'end_reason']),
    )
    expect(made).toEqual(
      expect.arrayContaining(['log_seq', 'schema_version', 'bind_types', 'bind_value_sha256s']),
    )
    expect(companions).toEqual(['query_hex', 'query_truncated', 'query_len', 'query_sha256', 'query_tail'])
    expect(life).toEqual(expect.arrayContaining(LIFE))
  })

  test.each([...new Set([...keys, ...made, ...companions, ...LIFE])])('names the key %s', (key) => {
    expect(named).toContain(key)
  })

  test('names every event', () => {
    const events = [
      ...contract.matchAll(
        /'((?:session|statement|audit|txn)\.\w+|statement|prepare|cancel|change_user|local_infile|gap|replication)'/g,
      ),
    ]
    expect(events.length).toBeGreaterThan(16)
    for (const [, event] of events) expect(named).toContain(event)
  })

  test.each([
    ['gap_reason', [...bodyOf(contract, 'GapReason').matchAll(/'([\w-]+)'/g)]],
    ['outcome', [...(/type Outcome =(.*)/.exec(contract)?.[1] ?? '').matchAll(/'(\w+)'/g)]],
    [
      'end_reason',
      [...(/short stable words:([^/]*)\*\//.exec(read('src/flow.ts'))?.[1] ?? '').matchAll(/`(\w+)`/g)],
    ],
  ])('names every %s', (_, found) => {
    expect(found.length).toBeGreaterThan(4)
    for (const [, word] of found) expect(named).toContain(word)
  })

  test.each([
    ['pg', ['portal_closed', 'after_copy_failure', 'overflow']],
    ['mysql', ['cursor_closed', 'text_unknown', 'overflow', 'connection_closed']],
  ])('names every reason that the dumper %s gives', (dialect, some) => {
    const files = readdirSync(at(`dumpers/${dialect}`)).map((file) => read(`dumpers/${dialect}/${file}`))
    const patterns = [
      /(?:reason|uncertain)\b.*(?:=|:|\?).*(?<!\[)'(\w+)'/g,
      /giveUp\(\w+, '(\w+)'/g,
      /who, '(\w+)'\)/g,
      /(?:closeCursors?|reset|abandon|abandonAll)\((?:\w[\w., ]*, )?'(\w+)'/g,
    ]
    const found = files.flatMap((source) => patterns.flatMap((pattern) => [...source.matchAll(pattern)]))
    const words = [...new Set(found.map(([, word]) => word as string))].filter(
      (word) => word !== 'handshake' && word !== 'unknown',
    )
    expect(words).toEqual(expect.arrayContaining(some))
    expect(words.filter((word) => !named.has(word))).toEqual([])
  })

  test('names no key that there is not', () => {
    const rows = [...page.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, cells]) => [
      ...(cells as string).matchAll(/\w+/g),
    ])
    const words =
      contract +
      ['src/flow.ts', 'src/observe/decode.ts', 'src/audit/pipeline.ts', 'src/audit/chain.ts']
        .map(read)
        .join('') +
      sources.join('') +
      encoder
    const dumper = ['pg', 'mysql']
      .flatMap((dialect) =>
        readdirSync(at(`dumpers/${dialect}`)).map((file) => `dumpers/${dialect}/${file}`),
      )
      .map(read)
      .join('')
    const code =
      words +
      dumper +
      readdirSync(at('src/proxy'))
        .map((file) => read(`src/proxy/${file}`))
        .join('')
    expect(rows.length).toBeGreaterThan(80)
    const companionOf = (key: string) => key.replace(/^(?:execute_)?query_(\w+)$/, '_$1')
    expect(rows.map(([key]) => key as string).filter((key) => !code.includes(companionOf(key)))).toEqual([])
  })
})
