import { parse } from 'smol-toml'
import { describe, expect, test } from 'vitest'
import { type KeyPath, locateKeys } from '../../config/toml-lines.ts'

const DOCUMENT = `# [not.a.table]
top = "a # b" # c = 1
dotted.inner."quoted.key" = 1

[ proxy ] # comment
  listenAddr = ':1'
  'literal key' = """
[not.a.table]
not = "a key" \\" ""
"""
  allow = [ # [nor.this]
    "]", # ]
    '[', [ 1 ],
  ]
  after = 1

[proxy.tls]
client = '''
x = 1
'''
  tls = { client = "a", server = { x = "}" } }
after = 2
[[listener]]
name = "a"
[listener.tls]
client = "b"
[[listener]]

name = "c\\u0022"
tls.client = "d"
[[listener.rule]]
x = 1
[[listener.rule]]
x = 2
[a."b.c".d]
empty = ""
x = """"""
y = ''''''
z = """a"""""
last = 1`

describe('lines of keys', () => {
  const at = locateKeys(DOCUMENT)

  test.each<[KeyPath, number]>([
    [['top'], 2],
    [['dotted'], 3],
    [['dotted', 'inner', 'quoted.key'], 3],
    [['proxy'], 5],
    [['proxy', 'listenAddr'], 6],
    [['proxy', 'literal key'], 7],
    [['proxy', 'allow'], 11],
    [['proxy', 'allow', 2], 11],
    [['proxy', 'after'], 15],
    [['proxy', 'tls'], 17],
    [['proxy', 'tls', 'client'], 18],
    [['proxy', 'tls', 'tls', 'server', 'x'], 21],
    [['proxy', 'tls', 'after'], 22],
    [['listener'], 23],
    [['listener', 0], 23],
    [['listener', 0, 'name'], 24],
    [['listener', 0, 'tls', 'client'], 26],
    [['listener', 1], 27],
    [['listener', 1, 'name'], 29],
    [['listener', 1, 'tls', 'client'], 30],
    [['listener', 1, 'missing'], 27],
    [['listener', 1, 'rule', 1, 'x'], 34],
    [['a', 'b.c', 'd', 'empty'], 36],
    [['a', 'b.c', 'd', 'last'], 40],
  ])('%j stands in line %i', (path, line) => {
    expect(at(path)).toBe(line)
  })

  test('what is not there has none', () => {
    expect(at(['nothing'])).toBeUndefined()
    expect(at([])).toBeUndefined()
  })

  test('the document is one that the parser takes, and every key of it is found', () => {
    const missing: string[] = []
    const walk = (value: unknown, path: KeyPath): void => {
      if (path.length > 0 && at(path) === undefined) missing.push(JSON.stringify(path))
      if (Array.isArray(value)) {
        for (const [index, item] of value.entries()) walk(item, [...path, index])
      } else if (typeof value === 'object' && value !== null) {
        for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key])
      }
    }
    walk(parse(DOCUMENT), [])
    expect(missing).toEqual([])
  })

  test('line ends of other systems count as one', () => {
    expect(locateKeys('a = 1\r\n[b]\r\nc = 2\r\n')(['b', 'c'])).toBe(3)
  })
})
