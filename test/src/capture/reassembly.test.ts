import { describe, expect, test } from 'vitest'
import { streamOf, talkOf, type Watched } from '../../support/captured.ts'
import { BEGIN, play, playAll, type Shot, Talk } from '../../support/talk.ts'

const only = (flows: readonly Watched[]): Watched => {
  expect(flows.length).toBe(1)
  return flows[0] as Watched
}

/** Three questions and answers; the numbers of the first are given. */
const dialogue = (options = {}): Talk => {
  const talk = new Talk(options).open()
  for (const word of ['one', 'two', 'three']) talk.client(`${word}?`).server(`${word}!`).client('')
  return talk.close()
}
const WHOLE = ['> one?', '< one!', '> two?', '< two!', '> three?', '< three!']
const CLOSED = { by: 'client', reason: 'closed' }

const moved = (shots: readonly Shot[], from: number, to: number): Shot[] => {
  const order = [...shots]
  const [shot] = order.splice(from, 1)
  order.splice(to, 0, shot as Shot)
  return order
}

test('a connection from SYN to FIN', () => {
  const flow = only(playAll(dialogue().shots, { targetText: '5432', interface: 'lo' }))
  expect(talkOf(flow)).toEqual(WHOLE)
  expect(flow.facts).toEqual({
    ...{ conn_id: 'c1', src_addr: '192.0.2.1:50000', dst_addr: '192.0.2.2:5432' },
    ...{ probe_target_addr: '5432', interface: 'lo' },
  })
  expect(flow).toMatchObject({ openedAt: BEGIN, isMidStream: false, endedAt: BEGIN + 13_000 })
  expect(flow.end).toEqual({ ...CLOSED, bytesIn: 14, bytesOut: 14 })
  expect(flow.told.map(({ at }) => at - BEGIN)).toEqual([3000, 4000, 6000, 7000, 9000, 10_000])
})

describe('case 53: segments', () => {
  test('each packet repeated, at once and later, changes nothing', () => {
    const { shots } = dialogue()
    expect(talkOf(only(playAll(shots.flatMap((shot) => [shot, shot]))))).toEqual(WHOLE)
    expect(talkOf(only(playAll([...shots.slice(0, 10), ...shots])))).toEqual(WHOLE)
  })

  test('any packet moved by up to eight places changes nothing', () => {
    const { shots } = dialogue()
    for (let from = 0; from < shots.length; from++) {
      for (let to = Math.max(0, from - 8); to <= Math.min(shots.length - 1, from + 8); to++) {
        expect(talkOf(only(playAll(moved(shots, from, to))))).toEqual(WHOLE)
      }
    }
  })

  test('any packet that was not captured becomes a gap, or nothing when it had no data', () => {
    const { shots } = dialogue()
    for (let lost = 1; lost < shots.length; lost++) {
      const flow = only(playAll(shots.filter((_, index) => index !== lost)))
      const stream = WHOLE.join('').length - 2 * WHOLE.length
      const [asked, answered] = [streamOf(flow, 'frontend'), streamOf(flow, 'backend')]
      expect(asked.length + answered.length).toBe(stream)
      const size = shots[lost]?.size ?? 0
      const gaps = flow.told.filter(({ kind }) => kind === 'gap')
      expect(gaps).toMatchObject(size > 0 ? [{ length: size }] : [])
      const shown = talkOf(flow).map((piece, index) => (piece.includes('[') ? WHOLE[index] : piece))
      expect(shown).toEqual(WHOLE)
      expect(flow.isMidStream).toBe(false)
    }
  })

  test('the lost SYN of a connection whose SYN-ACK is there changes nothing', () => {
    const flow = only(playAll(dialogue().shots.slice(1)))
    expect(flow.isMidStream).toBe(false)
    expect(talkOf(flow)).toEqual(WHOLE)
  })

  test('overlap: what was captured first counts', () => {
    const talk = new Talk().open()
    talk.client('cdef', { shift: 2, isRepeat: true })
    talk.client('XXXX', { shift: 4, isRepeat: true })
    talk.client('abYYYYYYgh', { isRepeat: true })
    expect(talkOf(only(playAll(talk.shots)))).toEqual(['> abcdefXXgh'])
  })

  test('a segment that repeats and goes on gives what is new', () => {
    const talk = new Talk().open().client('abcd').client('cdefgh', { shift: -2, isRepeat: true })
    expect(talkOf(only(playAll(talk.shots)))).toEqual(['> abcdefgh'])
  })

  test('sequence numbers wrap, in order and out of it', () => {
    const { shots } = dialogue({ sent: 0xffff_fffa, answered: 0xffff_fffd })
    expect(talkOf(only(playAll(shots)))).toEqual(WHOLE)
    for (let from = 3; from < 8; from++)
      expect(talkOf(only(playAll(moved(shots, from, from + 3))))).toEqual(WHOLE)
  })

  test('keep-alive probes, with and without a byte, are no data', () => {
    const talk = new Talk().open().client('one?').server('one!').client('')
    talk.client('\0', { shift: -1, isRepeat: true, flags: '.' }).server('')
    talk.client('', { shift: -1, isRepeat: true }).server('')
    talk.server('\0', { shift: -1, isRepeat: true, flags: '.' }).client('two?').server('two!')
    expect(talkOf(only(playAll(talk.shots)))).toEqual(WHOLE.slice(0, 4))
  })

  test('FIN with data, and data of the other side behind it', () => {
    const talk = new Talk()
      .open()
      .client('last?', { flags: 'FP.' })
      .server('yes')
      .server('bye', { flags: 'F.' })
    const flow = only(playAll(talk.client('').shots))
    expect(talkOf(flow)).toEqual(['> last?', '< yesbye'])
    expect(flow.end).toEqual({ ...CLOSED, bytesIn: 5, bytesOut: 6 })
  })

  test.each(['client', 'server'] as const)('a reset by the %s ends the flow', (side) => {
    const talk = new Talk().open().client('one?').server('one!')
    const other = side === 'client' ? 'server' : 'client'
    const flow = only(playAll(talk[side]('', { flags: 'R.', isRepeat: true })[other]('late').shots))
    expect(talkOf(flow)).toEqual(WHOLE.slice(0, 2))
    expect(flow.end).toMatchObject({ by: side, reason: 'reset' })
  })

  test('a reset that does not fit is not believed', () => {
    const talk = new Talk().open().client('one?').server('one!').client('')
    talk.client('', { flags: 'R.', shift: -3, isRepeat: true }).client('two?').server('two!')
    expect(talkOf(only(playAll(talk.shots)))).toEqual(WHOLE.slice(0, 4))
  })

  test('who goes on after a reset of its own was not reset: what follows is shown', () => {
    const talk = new Talk().open().client('one?').server('one!').client('', { flags: 'R.', isRepeat: true })
    const flows = playAll(talk.client('two?').server('two!').shots)
    expect(flows.map(talkOf)).toEqual([WHOLE.slice(0, 2), WHOLE.slice(2, 4)])
    expect(flows.map(({ isMidStream }) => isMidStream)).toEqual([false, true])
  })

  test('a connection that is refused, and one that nobody answers', () => {
    const refused = new Talk().client('', { flags: 'S', ack: 0 }).server('', { flags: 'R.', shift: 5000 })
    expect(only(playAll(refused.shots)).end).toMatchObject({ by: 'server', reason: 'refused' })
    const again = { flags: 'S', ack: 0, isRepeat: true }
    expect(playAll(new Talk().client('', again).client('', again).shots)).toEqual([])
    const halfOpen = new Talk().client('', { flags: 'S', ack: 0 }).server('', { flags: 'S.' })
    expect(playAll(halfOpen.shots)).toEqual([])
  })

  test('a 4-tuple that is used again, after FINs, a reset, or nothing', () => {
    const endings = [
      (talk: Talk) => talk.close(),
      (talk: Talk) => talk.client('', { flags: 'R.' }),
      (talk: Talk) => talk,
    ]
    for (const [index, ending] of endings.entries()) {
      const first = ending(new Talk().open().client('one?').server('one!'))
      const second = new Talk({ sent: 900_000, answered: 100, at: first.at }).open()
      const flows = playAll([...first.shots, ...second.client('two?').server('two!').close().shots])
      expect(flows.map(talkOf)).toEqual([WHOLE.slice(0, 2), WHOLE.slice(2, 4)])
      expect(flows[0]?.end?.reason).toBe(['closed', 'reset', 'reused'][index])
      expect(flows[1]?.end?.reason).toBe('closed')
    }
  })

  test('a SYN that the server does not answer ends nothing', () => {
    const talk = new Talk().open().client('one?').server('one!').client('')
    talk.client('', { flags: 'S', shift: 700_000, isRepeat: true }).server('').client('two?').server('two!')
    expect(talkOf(only(playAll(talk.shots)))).toEqual(WHOLE.slice(0, 4))
  })

  test('of several SYNs the one counts that is answered', () => {
    const talk = new Talk().client('', { flags: 'S', ack: 0 })
    talk.client('', { flags: 'S', ack: 0, shift: 77_000, isRepeat: true }).server('', { flags: 'S.' })
    talk.client('').client('one?').server('one!')
    expect(talkOf(only(playAll(talk.shots)))).toEqual(WHOLE.slice(0, 2))
  })

  test('a FIN far ahead and a SYN that nobody answers end nothing', () => {
    const talk = new Talk().open().client('one?').server('one!').client('')
    talk.client('', { flags: 'F.', shift: 9000, isRepeat: true })
    talk.client('', { flags: 'S', shift: 700_000, isRepeat: true })
    for (let count = 0; count < 40; count++) talk.client('ping').server('pong')
    const flow = only(playAll(talk.shots))
    // At the end nobody can know that the bytes before the FIN were never sent: a gap says so.
    expect(streamOf(flow, 'frontend')).toMatch(/^one\?(?:ping){40}\?+$/)
  })

  test('bytes far ahead that nobody acknowledges do not make the real ones be skipped', () => {
    const talk = new Talk().open().client('one?').server('one!').client('')
    talk.client('forged', { shift: 5000, isRepeat: true })
    talk.client('forged', { shift: 2 ** 30 + 9, isRepeat: true })
    talk.server('forged', { shift: -(2 ** 30) - 9, isRepeat: true })
    for (let count = 0; count < 50; count++) talk.wait(5_000_000).client('ping').server('pong')
    const flow = only(play(talk.wait(70_000_000).client('ping').shots).flows)
    expect(streamOf(flow, 'frontend')).toBe(`one?${'ping'.repeat(51)}`)
    expect(streamOf(flow, 'backend')).toBe(`one!${'pong'.repeat(50)}`)
  })

  test('an acknowledgement of what was never sent loses nothing', () => {
    const talk = new Talk().open().client('one?').server('one!').client('', { ack: 400_000_000 })
    for (let count = 0; count < 50; count++) talk.wait(3_000_000).client('ping').server('pong')
    const flow = only(playAll(talk.shots))
    expect(streamOf(flow, 'backend')).toBe(`one!${'pong'.repeat(50)}`)
  })

  test('what its peer has received is shown before an answer, whatever the order of capture', () => {
    const { shots } = new Talk().open().client('one?').server('one!').client('two?').server('two!')
    const [syn, synAck, ack, one, oneBack, two, twoBack] = shots as [
      Shot,
      Shot,
      Shot,
      Shot,
      Shot,
      Shot,
      Shot,
    ]
    const flow = only(playAll([syn, synAck, ack, oneBack, twoBack, two, one]))
    expect(talkOf(flow)).toEqual(WHOLE.slice(0, 4))
    const times = flow.told.map(({ at }) => at)
    expect(times).toEqual([...times].sort())
  })

  test('a hole is declared with patience, in packets of its connection or in time', () => {
    const lossy = new Talk().open().client('lost').lose().server('answer').client('')
    expect(talkOf(only(play(lossy.shots).flows))).toEqual([])
    const packets = new Talk().open().client('lost').lose().server('answer')
    for (let count = 0; count < 40; count++) packets.client('').server('')
    expect(talkOf(only(play(packets.shots).flows))).toEqual(['> [4]', '< answer'])
    const { flows, capture } = play(lossy.shots)
    capture.advance(lossy.at + 200_000)
    expect(talkOf(only(flows))).toEqual(['> [4]', '< answer'])
  })

  test('a capture of one direction only has gaps for the other', () => {
    const { shots } = dialogue()
    const asked = shots.filter((_, index) => [0, 2, 3, 5, 6, 8, 9, 11].includes(index))
    const { flows, capture } = play(asked)
    for (let wait = 0; wait < 10; wait++) capture.advance(shots[0]!.at + wait * 100_000)
    expect(talkOf(only(flows))).toEqual(['> one?', '< [4]', '> two?', '< [4]', '> three?', '< [6]'])
    expect(talkOf(only(playAll(asked)))).toEqual(talkOf(only(flows)))
  })
})

test('case 54: a cut segment is its beginning, then a gap; what follows is in its place', () => {
  const talk = new Talk()
    .open()
    .client('0123456789', { captured: 4 })
    .server('ok')
    .client('next')
    .server('')
  expect(talkOf(only(playAll(talk.shots)))).toEqual(['> 0123[6]', '< ok', '> next'])
})

test('case 58: each packet twice, as a bridge and `any` show it, out of order too', () => {
  const { shots } = dialogue()
  const later = [...shots, ...shots.map((shot) => ({ ...shot, at: shot.at + 1500 }))]
  expect(talkOf(only(playAll(later.sort((a, b) => a.at - b.at))))).toEqual(WHOLE)
})

describe('case 52: the capture begins mid-connection', () => {
  const { shots } = dialogue()
  test('every place to begin is told as one, and what follows is whole', () => {
    for (let first = 3; first < 10; first++) {
      const rest = shots.slice(first)
      const flow = only(playAll(rest))
      expect(flow.isMidStream).toBe(true)
      const wanted = WHOLE.slice(-rest.filter(({ size }) => size > 0).length)
      expect(talkOf(flow)).toEqual(wanted)
      expect(flow.end?.reason).toBe('closed')
    }
  })

  test('keep-alives of an idle connection begin nothing, nor are they its first bytes', () => {
    const talk = new Talk().client('\0', { shift: -1, isRepeat: true, flags: '.' }).server('')
    expect(playAll([...talk.shots])).toEqual([])
    const flow = only(playAll(talk.client('two?').server('two!').shots))
    expect(talkOf(flow)).toEqual(WHOLE.slice(2, 4))
  })

  test('without anything but the end of it there is no flow', () => {
    expect(playAll(new Talk().close().shots)).toEqual([])
  })
})
