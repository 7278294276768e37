/** Whatever the network and the capture do to the segments of a conversation: what is shown was said. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { streamOf, talkOf, type Watched, watching } from '../../support/captured.ts'
import { randomInteger, seededRandom } from '../../support/chunks.ts'
import { runs } from '../../support/fuzz.ts'
import { play, playAll, type Shot, Talk } from '../../support/talk.ts'

/** Bytes that tell their place, so that one out of place is seen. */
const saying = (who: string, index: number, length: number): string =>
  `${who}${index}:`.padEnd(length, `${index % 10}abcdefg`)

interface Spoken {
  readonly shots: Shot[]
  readonly talk: string[]
}

/** A dialogue of questions and answers, each in several segments of random lengths. */
const converse = (random: () => number, turns: number): Spoken => {
  const talk = new Talk({
    sent: Math.floor(random() * 2 ** 32),
    answered: 2 ** 32 - Math.floor(random() * 500),
  }).open()
  const said: string[] = []
  for (let turn = 0; turn < turns; turn++) {
    for (const who of ['client', 'server'] as const) {
      const text = saying(who === 'client' ? 'q' : 'a', turn, randomInteger(random, 1, 300))
      said.push(`${who === 'client' ? '>' : '<'} ${text}`)
      for (let at = 0; at < text.length; ) {
        const size = randomInteger(random, 1, 120)
        talk[who](text.slice(at, at + size))
        at += size
        const other = who === 'client' ? 'server' : 'client'
        if (random() < 0.4) talk[other]('')
      }
    }
  }
  return { shots: talk.close().shots, talk: said }
}

/** Moves packets by some places, repeats some now and later. */
const disturb = (shots: readonly Shot[], random: () => number, reach: number): Shot[] =>
  shots
    .flatMap((shot, index) => {
      const copies = random() < 0.2 ? 2 : 1
      return Array.from({ length: copies }, () => ({ shot, place: index + random() * reach }))
    })
    .sort((a, b) => a.place - b.place)
    .map(({ shot }) => shot)

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })

/** The one flow. */
const only = (flows: readonly Watched[]): Watched => {
  expect(flows.length).toBe(1)
  return flows[0] as Watched
}

describe('case 53: a known conversation', () => {
  test('in any order within bounds and with any repetition gives the same', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = seededRandom(seed)
        const { shots, talk } = converse(random, 6)
        const flow = only(playAll(disturb(shots, random, 12)))
        expect(flow.isMidStream).toBe(false)
        expect(talkOf(flow)).toEqual(talk)
        expect(flow.end?.reason).toBe('closed')
      }),
      runs(150),
    )
  })

  test('split and joined anew by retransmissions gives the same', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = seededRandom(seed)
        const text = saying('q', 1, 2000)
        const talk = new Talk({ sent: 2 ** 32 - 700 }).open()
        const shots: Shot[] = []
        for (let at = 0; at < text.length; ) {
          const start = Math.max(0, at - randomInteger(random, 0, 50))
          const end = Math.min(text.length, at + randomInteger(random, 1, 100))
          talk.client(text.slice(start, end), { shift: start - at })
          talk.sent -= end - start
          talk.sent += end - at
          at = end
        }
        shots.push(...talk.server('done').shots)
        const flow = only(playAll(disturb(shots, random, 10)))
        expect(talkOf(flow)).toEqual([`> ${text}`, '< done'])
      }),
      runs(100),
    )
  })

  test('with any loss gives a part of it, and gaps for the rest', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(0.02, 0.1, 0.4), (seed, share) => {
        const random = seededRandom(seed)
        const { shots, talk } = converse(random, 8)
        // SYN, SYN-ACK and ACK are there, so the places are known.
        const left = shots.filter((_, index) => index < 3 || random() >= share)
        const flow = only(playAll(disturb(left, random, 6)))
        for (const [from, mark] of [
          ['frontend', '>'],
          ['backend', '<'],
        ] as const) {
          const said = talk.filter((piece) => piece.startsWith(mark)).map((piece) => piece.slice(2))
          const shown = streamOf(flow, from)
          const whole = said.join('')
          // A lost FIN behind lost bytes cannot be told from one more byte.
          expect(shown.length).toBeLessThanOrEqual(whole.length + 1)
          const wrong = [...shown].findIndex((byte, at) => byte !== '?' && byte !== whole[at])
          expect(wrong).toBe(-1)
        }
        const total = talk.join('').length - 2 * talk.length
        const passed = (flow.end?.bytesIn ?? 0) + (flow.end?.bytesOut ?? 0)
        expect(passed).toBeLessThanOrEqual(total + 2)
        // Only what was lost behind the last packet that tells of it may be unknown.
        if (left.at(-1) === shots.at(-1)) expect(passed).toBeGreaterThanOrEqual(total)
      }),
      runs(200),
    )
  })

  test('what is shown of an answer never comes before what is shown of its question', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = seededRandom(seed)
        const { shots } = converse(random, 8)
        const left = shots.filter((_, index) => index < 3 || random() >= 0.1)
        const shown = talkOf(only(playAll(disturb(left, random, 8)))).join('\n')
        for (let turn = 0; turn < 8; turn++) {
          const [question, answer] = [shown.indexOf(`q${turn}:`), shown.indexOf(`a${turn}:`)]
          const next = shown.indexOf(`q${turn + 1}:`)
          if (question >= 0 && answer >= 0) expect(question).toBeLessThan(answer)
          if (next >= 0 && answer >= 0) expect(answer).toBeLessThan(next)
        }
      }),
      runs(150),
    )
  })

  test('the capture may begin and end anywhere', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = seededRandom(seed)
        const { shots, talk } = converse(random, 5)
        const first = randomInteger(random, 0, shots.length - 1)
        const last = randomInteger(random, first, shots.length)
        for (const flow of playAll(shots.slice(first, last))) {
          const whole = talk.join('')
          for (const from of ['frontend', 'backend'] as const) {
            for (const part of streamOf(flow, from).split('?')) {
              const mark = from === 'frontend' ? '>' : '<'
              const said = talk.filter((piece) => piece.startsWith(mark)).map((piece) => piece.slice(2))
              expect(said.join('').includes(part)).toBe(true)
            }
          }
          expect(whole.length).toBeGreaterThan(0)
        }
      }),
      runs(100),
    )
  })
})

describe('case 57 and beyond: hostile packets', () => {
  test('mutated packets of many connections: nothing throws, what is kept is bounded', () => {
    const random = seededRandom(53)
    const limits = { maxFlowBytes: 30_000, maxBytes: 100_000, maxFlows: 50 }
    const { flows, capture } = watching({ limits })
    let number = 0
    for (let round = 0; round < 150; round++) {
      const port = 50_000 + randomInteger(random, 0, 60)
      const { shots } = converse(random, 3)
      for (const shot of disturb(shots, random, 9)) {
        const bytes = Buffer.from(shot.bytes)
        bytes.writeUInt16BE(port, bytes.readUInt16BE(34) === 5432 ? 36 : 34)
        if (random() < 0.3)
          bytes[randomInteger(random, 14, 60) % bytes.length] = randomInteger(random, 0, 255)
        const end = random() < 0.1 ? randomInteger(random, 0, bytes.length) : bytes.length
        const at = shot.at + round * 5_000_000 + randomInteger(random, -50_000, 50_000)
        number++
        capture.record({
          ...{ bytes, start: 0, end, wireLength: bytes.length, at },
          ...{ linkType: 1, interface: undefined, number },
        })
        expect(capture.held).toBeLessThan(100_000 + 4 * 1024 * 1024)
        expect(capture.open).toBeLessThanOrEqual(50)
      }
    }
    capture.end()
    expect(flows.length).toBeGreaterThan(50)
    expect(flows.every(({ end }) => end !== undefined)).toBe(true)
    expect({ open: capture.open }).toEqual({ open: 0 })
  })

  test('another protocol on the port is shown as it is: who decodes it says so, once', () => {
    const talk = new Talk()
      .open()
      .client('GET / HTTP/1.1\r\n\r\n')
      .server('HTTP/1.1 200 OK\r\n\r\n')
      .close()
    const flow = only(play(talk.shots).flows)
    expect(talkOf(flow)).toEqual(['> GET / HTTP/1.1\r\n\r\n', '< HTTP/1.1 200 OK\r\n\r\n'])
  })
})
