/** Literals of PostgreSQL's types, to be checked against a server. */
import { randomBytes, randomInteger, seededRandom } from './chunks.ts'

const random = seededRandom(15)
const pick = <T>(items: readonly T[]): T => items[randomInteger(random, 0, items.length - 1)]!
const times = (count: number, make: () => string): string[] => Array.from({ length: count }, make)
const integer = (from: number, to: number) => String(randomInteger(random, from, to))
const digits = (count: number) => times(count, () => integer(0, 9)).join('')
const twoDigits = (from: number, to: number) => integer(from, to).padStart(2, '0')
const scratch = new DataView(new ArrayBuffer(8))

/** Any bits but those of NaN and infinity. */
const anyFloat8 = (): string => {
  for (;;) {
    const value = randomBytes(random, 8).readDoubleBE(0)
    if (Number.isFinite(value)) return String(value)
  }
}
const anyFloat4 = (): string => {
  for (;;) {
    const value = randomBytes(random, 4).readFloatBE(0)
    if (Number.isFinite(value)) return String(value)
  }
}
const powers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => 2 ** (from + n))
const beside = (value: number, by: bigint): number => {
  scratch.setFloat64(0, value)
  scratch.setBigUint64(0, scratch.getBigUint64(0) + by)
  return scratch.getFloat64(0)
}
/** Decimals of few digits: halfway cases are among them (1e23). */
const shortDecimal = () => `${integer(1, 99999)}e${integer(-320, 300)}`

const SPECIAL_FLOATS = [
  '0',
  '-0',
  'NaN',
  'Infinity',
  '-Infinity',
  '1',
  '-1',
  '0.1',
  '1e15',
  '1e14',
  '1e-4',
  '1e-5',
]
const float8s = [
  ...SPECIAL_FLOATS,
  ...['1e23', '-1e23', '5e-324', '1.7976931348623157e308', '9007199254740993', '2.2250738585072014e-308'],
  ...powers(-1074, 1023).map(String),
  ...powers(53, 1023).flatMap((value) => [beside(value, 1n), beside(value, -1n)].map(String)),
  ...times(2000, shortDecimal),
  ...times(1000, anyFloat8),
  ...times(300, () => `${integer(-100000, 100000)}.${digits(randomInteger(random, 1, 8))}`),
]
const float4s = [
  ...SPECIAL_FLOATS,
  ...['1e5', '1e6', '999999', '1000001', '16777216', '3.4028235e38', '1e-45', '1.1754944e-38', '123456.7'],
  ...powers(-149, 127).map(String),
  ...times(1000, anyFloat4),
  ...times(1000, () => `${integer(1, 9999999)}e${integer(-44, 31)}`),
]

const anyNumeric = () => {
  const [whole, fraction] = [digits(randomInteger(random, 0, 40)), digits(randomInteger(random, 0, 40))]
  return `${pick(['', '-'])}${whole || '0'}${fraction && '.'}${fraction}`
}
const numerics = [
  ...['0', '0.0', '-0.00', '0.0000', '1', '-1', '10000', '9999', '0.0001', '0.00001', '100000000', '1e100'],
  ...['NaN', 'Infinity', '-Infinity', '1e-100', '12345.678900', '0.10', '1e400', '-1e-400'],
  ...times(600, anyNumeric),
  ...times(200, () => `${integer(1, 9)}e${integer(-60, 60)}`),
]

const anyTime = () =>
  `${twoDigits(0, 23)}:${twoDigits(0, 59)}:${twoDigits(0, 59)}.${digits(randomInteger(random, 1, 6))}`
const anyDate = (last: number) => {
  const year = randomInteger(random, 1, pick([9999, 2100, last]))
  return `${String(year).padStart(4, '0')}-${twoDigits(1, 12)}-${twoDigits(1, 28)}`
}
const era = () => pick(['', '', '', ' BC'])
const leapDays = [-4712, -400, -300, -4, 4, 100, 400, 1600, 1900, 1904, 2000, 2024, 2100, 2400, 5_874_896]
const aroundLeapDays = leapDays.flatMap((year) =>
  ['02-28', '03-01', '12-31', '01-01'].map(
    (day) => `${String(Math.abs(year)).padStart(4, '0')}-${day}${year < 0 ? ' BC' : ''}`,
  ),
)
const bcLimit = (text: string) =>
  text.endsWith('BC') && Number(text.split('-')[0]) > 4713 ? text.slice(0, -3) : text
const dates = [
  ...[
    'infinity',
    '-infinity',
    '4713-01-01 BC',
    '5874897-12-31',
    '2000-01-01',
    '1999-12-31',
    '2024-02-29',
    '0001-01-01',
  ],
  ...aroundLeapDays,
  ...times(600, () => bcLimit(`${anyDate(5_874_897)}${era()}`)),
]
const timestamps = [
  ...[
    'infinity',
    '-infinity',
    '4713-01-01 00:00:00 BC',
    '294276-12-31 23:59:59.999999',
    '2000-01-01 00:00:00',
  ],
  ...[
    '1999-12-31 23:59:59.999999',
    '2024-02-29 13:14:15.678',
    '0044-03-15 12:00:00 BC',
    '10000-01-01 00:00:00.1',
  ],
  ...times(800, () => bcLimit(`${anyDate(294_276)} ${anyTime()}${era()}`)),
]
const timesOfDay = ['00:00:00', '24:00:00', '23:59:59.999999', '00:00:00.000001', ...times(300, anyTime)]
const timetzs = [
  ...[
    '00:00:00+00',
    '24:00:00-15:59:59',
    '12:00:00+05:30',
    '12:00:00-00:00:01',
    '01:02:03+15:59',
    '23:59:59.5-03',
  ],
  ...times(
    300,
    () => `${anyTime()}${pick(['+', '-'])}${twoDigits(0, 15)}${pick(['', ':00', ':30', ':45', ':30:17'])}`,
  ),
]
const intervals = [
  ...[
    '0',
    '1 year',
    '-1 year',
    '1 mon',
    '2 mons',
    '11 mons',
    '1 day',
    '-1 day',
    '1 sec',
    '-0.000001 sec',
    '1 day -1 sec',
  ],
  ...[
    '-1 mon 1 day',
    '-1 mon 1 day 1 sec',
    '-1 mon -1 day 00:00:01',
    '-13 mons 1 sec',
    '1 year -1 day 00:01',
    '999999 hours',
  ],
  ...[
    '178000000 years',
    '-178000000 years',
    '2147483647 days',
    '-2147483648 days',
    '2562047788:00:54.775807',
  ],
  ...times(600, () =>
    [
      pick(['', `${integer(-30, 30)} years`]),
      pick(['', `${integer(-30, 30)} mons`]),
      pick(['', `${integer(-400, 400)} days`]),
      pick([
        '0 sec',
        `${pick(['', '-'])}${integer(0, 3000)}:${twoDigits(0, 59)}:${twoDigits(0, 59)}.${digits(3)}`,
      ]),
    ].join(' '),
  ),
]

const texts = [
  ...[
    '',
    ' ',
    'NULL',
    'null',
    'Null',
    '"',
    '\\',
    '{',
    '}',
    ',',
    ';',
    'a b',
    'é€😀',
    '\n',
    '\t',
    '\r',
    '\v',
    '\f',
  ],
  ...["'", '\u2028', 'nul', '{}', '\\x00', ' a', 'a ', '\u00a0', '(1,2)'],
  ...times(200, () =>
    times(randomInteger(random, 1, 12), () => pick([...'ab ",\\{}\n\té€😀NUL'])).join(''),
  ),
]
const words = () => times(8, () => (integer(0, 3) === '0' ? '0' : randomBytes(random, 2).toString('hex')))
const anyIpv6 = () => {
  const groups = words()
  const [from, to] = [randomInteger(random, 0, 8), randomInteger(random, 0, 8)]
  return groups.map((group, index) => (index >= from && index < to ? '0' : group)).join(':')
}
const anyIpv4 = () => times(4, () => integer(0, 255)).join('.')
const inets = [
  ...[
    '::',
    '::1',
    '::2',
    '::1.2.3.4',
    '::ffff:1.2.3.4',
    '::ffff:0:1.2.3.4',
    '1::',
    'fe80::1/64',
    '::/0',
    '0.0.0.0/0',
  ],
  ...[
    '10.0.0.1',
    '10.0.0.1/8',
    '10.0.0.1/32',
    '255.255.255.255',
    '1:0:0:2:0:0:0:3',
    '0:1::',
    '::fffe:1:2',
    '::0.1.0.0',
  ],
  ...times(300, anyIpv6),
  ...times(200, () => `${anyIpv6()}/${integer(0, 128)}`),
  ...times(100, anyIpv4),
  ...times(100, () => `${anyIpv4()}/${integer(0, 32)}`),
]
const cidrs = [
  ...[
    '10.0.0.0/8',
    '0.0.0.0/0',
    '192.168.0.0/16',
    '10.0.0.1/32',
    '::/0',
    '2001:db8::/32',
    '::1/128',
    '::ffff:0:0/96',
  ],
  ...times(200, () => `${anyIpv4()}/32`),
  ...times(200, () => `${anyIpv6()}/128`),
]

/** Stands for the NULL that is no text. */
const NULL_ELEMENT = 'NULL!'

const quotedElement = (element: string): string =>
  element === NULL_ELEMENT ? 'NULL' : `"${element.replace(/["\\]/g, '\\$&')}"`

/** An array literal, every element quoted. */
const literal = (elements: readonly string[]): string => `{${elements.map(quotedElement).join(',')}}`

/** Arrays of these values: empty, with NULLs, of up to three dimensions, with lower bounds. */
export const arraysOf = (values: readonly string[]): string[] => [
  ...['{}', '{NULL}', '{NULL,NULL}', '[5:6]={NULL,NULL}'],
  ...values.map((value) => literal([value])),
  ...times(100, () =>
    literal(times(randomInteger(random, 1, 6), () => pick([NULL_ELEMENT, pick(values), pick(values)]))),
  ),
  ...times(50, () => {
    const row = () => literal(times(3, () => pick(values)))
    return `${pick(['', '[-1:0][2:4]='])}{${row()},${row()}}`
  }),
  ...times(20, () => {
    const cell = () => literal(times(2, () => pick(values)))
    return `{{${cell()},${cell()}},{${cell()},${cell()}}}`
  }),
]

const integers = (bits: number) => {
  const [least, most] = [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n]
  const near = [least, least + 1n, most, most - 1n, 0n, 1n, -1n, 255n, 256n, -32768n, 32767n].filter(
    (n) => n >= least && n <= most,
  )
  const spread = Array.from({ length: 200 }, () =>
    BigInt.asIntN(bits, randomBytes(random, 8).readBigUInt64BE(0) >> BigInt(randomInteger(random, 0, 62))),
  )
  return [...near, ...spread].map(String)
}
const unsigned = [
  '0',
  '1',
  '2147483647',
  '2147483648',
  '4294967295',
  ...times(50, () => integer(0, 2 ** 32 - 1)),
]
const uuids = times(100, () => randomBytes(random, 16).toString('hex'))
const macs = (size: number) =>
  times(50, () =>
    randomBytes(random, size)
      .toString('hex')
      .replace(/..(?=.)/g, '$&:'),
  )
const byteas = [
  '',
  ...times(100, () => randomBytes(random, randomInteger(random, 1, 40)).toString('hex')),
].map((bytes) => `\\x${bytes}`)
const jsons = [
  '{}',
  'null',
  '[]',
  '""',
  '{"a": 1, "b": [true, null, "é\\n"]}',
  '-1.50',
  '"\\u0001"',
  ' {"b":1,  "a":2} ',
]
const bits = ['', ...times(100, () => times(randomInteger(random, 1, 40), () => pick(['0', '1'])).join(''))]

/** By type: its edges, its special values, and many that a seed decides. */
export const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  bool: ['t', 'f'],
  bytea: byteas,
  char: ['', 'a', '"', '\\', ' ', ',', '\u007f'],
  name: texts,
  int2: integers(16),
  int4: integers(32),
  int8: integers(64),
  text: texts,
  varchar: texts,
  bpchar: texts,
  oid: unsigned,
  xid: unsigned,
  cid: unsigned,
  xid8: [...unsigned, '18446744073709551615', '9223372036854775808'],
  tid: ['(0,0)', '(4294967295,65535)', '(12,3)'],
  json: jsons,
  jsonb: jsons,
  jsonpath: ['$', '$.a[*] ? (@ > 1)'],
  xml: ['<a/>', '<a>é</a>', 'text'],
  cidr: cidrs,
  inet: inets,
  macaddr: macs(6),
  macaddr8: macs(8),
  float4: float4s,
  float8: float8s,
  numeric: numerics,
  date: dates,
  time: timesOfDay,
  timetz: timetzs,
  timestamp: timestamps,
  timestamptz: timestamps.map((text) => text.replace(/(?= BC)|(?<=\d)$/, '+00')),
  interval: intervals,
  uuid: uuids,
  varbit: bits,
  pg_lsn: ['0/0', 'FFFFFFFF/FFFFFFFF', '16/B374D848'],
  int2vector: ['', '1', '1 2 3', '-5 32767'],
  oidvector: ['', '1', '1 4294967295'],
}
