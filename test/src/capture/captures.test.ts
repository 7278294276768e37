/** Recorded traffic of real servers, and the same traffic changed: reordered, repeated, cut. */
import { describe, expect, test } from 'vitest'
import { flowsOf, streamOf, talkOf, type Watched } from '../../support/captured.ts'

const FOLDER = new URL('../../captures/', import.meta.url).pathname
const TARGETS = { pg: 6555, my: 4555 }

const read = (name: string): Watched[] => {
  const port = TARGETS[name.slice(0, 2) as 'pg' | 'my']
  return flowsOf(`${FOLDER}${name}.pcap`, { targets: [{ port }] })
}

const gapsOf = (flow: Watched) => flow.told.filter(({ kind }) => kind === 'gap')

describe('nothing is lost', () => {
  test.each([
    ['pg_ed_ooo', 'pg_std_base'],
    ['pg_ed_ipv6', 'pg_std_base'],
    ['my_ed_retrans', 'my_std_base'],
    ['my_ed_wrap', 'my_std_base'],
  ])('%s tells what %s tells', (changed, base) => {
    const [found, wanted] = [read(changed), read(base)]
    expect(found.map(talkOf)).toEqual(wanted.map(talkOf))
    expect(found.map(({ end }) => end)).toEqual(wanted.map(({ end }) => end))
    expect(found.flatMap(gapsOf)).toEqual([])
  })

  test('case 55: Linux cooked capture v2', () => {
    const flows = read('pg_std_sll2')
    expect(flows.map(({ facts }) => facts.dst_addr)).toEqual(['127.0.0.1:6555', '127.0.0.1:6555'])
    expect(flows.map(({ end }) => end)).toEqual(read('pg_std_base').map(({ end }) => end))
  })
})

describe('what is lost is told', () => {
  test('case 53: a query that was not captured is a gap before its answer', () => {
    const [found, wanted] = [read('pg_ed_lost_query')[0]!, read('pg_std_base')[0]!]
    expect(gapsOf(found)).toMatchObject([{ from: 'frontend', length: 59 }])
    expect(streamOf(found, 'backend')).toBe(streamOf(wanted, 'backend'))
    const lost = streamOf(found, 'frontend').indexOf('?'.repeat(59))
    const whole = streamOf(wanted, 'frontend')
    const before = whole.slice(0, lost)
    expect(streamOf(found, 'frontend')).toBe(`${before}${'?'.repeat(59)}${whole.slice(lost + 59)}`)
  })

  test('case 52: a capture that begins mid-connection says so, and gives all that follows', () => {
    const [found, wanted] = [read('pg_ed_mid_first'), read('pg_std_base')]
    expect(found.map(({ isMidStream }) => isMidStream)).toEqual([true, true])
    for (const [index, flow] of found.entries()) {
      for (const from of ['frontend', 'backend'] as const) {
        expect(streamOf(wanted[index]!, from).endsWith(streamOf(flow, from))).toBe(true)
        expect(streamOf(flow, from).length).toBeGreaterThan(90)
      }
      expect(gapsOf(flow)).toEqual([])
    }
  })

  test('case 54: of cut packets the missing bytes are gaps, in their places', () => {
    const [found, wanted] = [read('my_ed_snap96'), read('my_std_base')]
    expect(found.map(({ end }) => end)).toEqual(wanted.map(({ end }) => end))
    for (const [index, flow] of found.entries()) {
      for (const from of ['frontend', 'backend'] as const) {
        const [cut, whole] = [streamOf(flow, from), streamOf(wanted[index]!, from)]
        expect(cut.length).toBe(whole.length)
        const differs = [...cut].some((byte, at) => byte !== '?' && byte !== whole[at])
        expect(differs).toBe(false)
      }
    }
    expect(found.flatMap(gapsOf).length).toBeGreaterThan(20)
  })

  test('case 56: a file that is cut gives what came before', () => {
    expect(() => read('my_ed_cutfile')).toThrow('the file ends within a record, record 52, byte 9977')
  })
})
