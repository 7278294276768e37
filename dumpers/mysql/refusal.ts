/** The words by which a client is turned away: an ERR packet, where it expects one. */
import type { Bytes } from '../../src/flow.ts'
import type { Refusal } from '../../src/session.ts'
import { CLIENT_PROTOCOL_41, has } from './capabilities.ts'
import { firstIdOf } from './commands.ts'
import type { MysqlState } from './state.ts'
import type { Wires } from './wires.ts'

/** A packet's header: uint24 length, uint8 sequence id; both little-endian. */
const HEADER = 4
/** A frame's, where packets are wrapped: uint24 length, uint8 sequence id, uint24 0 for a plain body. */
const FRAME_HEADER = 7

/** An error's number and SQLSTATE. */
interface Answer {
  readonly number: number
  readonly sqlstate: string
}
/** ER_HANDSHAKE_ERROR */
export const HANDSHAKE_ERROR: Answer = { number: 1043, sqlstate: '08S01' }
/**
 * ER_CONNECT_TO_FOREIGN_DATA_SOURCE. MySQL's router says 2003, a client's own number (CR_CONN_HOST_ERROR),
 * which libmariadb takes for a malformed packet.
 */
const UNREACHABLE: Answer = { number: 1429, sqlstate: 'HY000' }
const ANSWERS: Readonly<Record<string, Answer>> = {
  connection_limit: { number: 1040, sqlstate: '08004' },
  not_allowed: { number: 1130, sqlstate: 'HY000' },
  handshake: HANDSHAKE_ERROR,
  tls_refused: HANDSHAKE_ERROR,
  shutdown: { number: 1053, sqlstate: '08S01' },
  login_timeout: { number: 1159, sqlstate: '08S01' },
  // ER_UNKNOWN_ERROR, ER_MALFORMED_PACKET
  log_blocked: { number: 1105, sqlstate: 'HY000' },
  undecodable: { number: 1835, sqlstate: 'HY000' },
}

/**
 * ERR packet: 0xFF, uint16 number, the SQLSTATE behind a '#' for a client that has said that it speaks the
 * protocol of 4.1, the message to the end.
 */
export const errPacket = (
  seq: number,
  { number, sqlstate }: Answer,
  message: string,
  is41: boolean,
): Bytes => {
  const text = Buffer.from((is41 ? `#${sqlstate}` : '') + message.replaceAll('\0', ''))
  const packet = Buffer.alloc(HEADER + 3 + text.length)
  packet.writeUIntLE(3 + text.length, 0, 3)
  packet[3] = seq & 0xff
  packet[HEADER] = 0xff
  packet.writeUInt16LE(number, HEADER + 1)
  text.copy(packet, HEADER + 3)
  return packet
}

/**
 * An ERR packet in place of the greeting, in the form in which a server says "Too many connections": the
 * client's capabilities are not known, so there is no SQLSTATE in it.
 */
export const refusal = ({ reason, message }: Refusal): Bytes =>
  errPacket(0, ANSWERS[reason] ?? UNREACHABLE, message, false)

const answerTo = ({ reason }: Refusal): Answer => ANSWERS[reason] ?? UNREACHABLE

/** The ERR packet that a client expects at this point; `phase` is the session's. */
export const refuse = (
  refused: Refusal,
  phase: string,
  state: MysqlState,
  wires: Wires,
): Bytes | undefined => {
  if (phase === 'greeting') return wires.backend.midFrame ? undefined : refusal(refused)
  if (phase === 'login') return refuseLogin(refused, state, wires)
  return phase === 'ready' ? refuseCommand(refused, state, wires) : undefined
}

/** During the log-in, whose packets are numbered on and on: a server's follows one of its client's. */
const refuseLogin = (
  refusal: Refusal,
  { capabilities }: MysqlState,
  { backend }: Wires,
): Bytes | undefined => {
  if (backend.stopped || backend.midFrame) return undefined
  const is41 = has(capabilities, CLIENT_PROTOCOL_41)
  return errPacket(backend.lastSeq + 2, answerTo(refusal), refusal.message, is41)
}

/**
 * In the place of a reply to the command that waits, or to the next one. Undefined where the server has yet
 * to answer a command, or its answer goes on.
 */
const refuseCommand = (
  refusal: Refusal,
  { capabilities, queue, uncertain, trial }: MysqlState,
  { frontend, backend }: Wires,
): Bytes | undefined => {
  const { head } = queue
  const isLost = backend.stopped || uncertain !== undefined || trial !== undefined
  if (isLost || backend.midFrame) return undefined
  if (head !== undefined && (head.answered || head.sent !== 0)) return undefined
  const next = frontend.midPacket ? frontend.lastSeq + 1 : 1
  const is41 = has(capabilities, CLIENT_PROTOCOL_41)
  const seq = head === undefined ? next : firstIdOf(head)
  const packet = errPacket(seq, answerTo(refusal), refusal.message, is41)
  const frameSeq = frontend.lastFrameSeq
  return frameSeq === undefined ? packet : framed(frameSeq + 1, packet)
}

const framed = (seq: number, packet: Bytes): Bytes => {
  const frame = Buffer.alloc(FRAME_HEADER + packet.length)
  frame.writeUIntLE(packet.length, 0, 3)
  frame[3] = seq & 0xff
  packet.copy(frame, FRAME_HEADER)
  return frame
}
