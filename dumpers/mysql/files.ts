/** Files that the server asks its client for, and the events that tell of them. */
import type { Bytes } from '../../src/flow.ts'
import { type Command, EMPTY_PACKET } from './commands.ts'
import { LocalFile } from './infile.ts'
import type { MysqlState } from './state.ts'

/** Most files of one statement that are remembered: a server may ask for any number of them. */
export const MAX_FILES = 32

const dropTold = (state: MysqlState, command: Command): void => {
  tellFiles(state, command)
  command.files?.splice(0, command.filesAsked)
  command.filesAsked = 0
}

/** 0xFB: the server asks for a file. The client may have sent it already. */
export const askForFile = (
  state: MysqlState,
  command: Command,
  bytes: Bytes,
  start: number,
  end: number,
): void => {
  if (command.filesAsked >= MAX_FILES) dropTold(state, command)
  command.files ??= []
  const sent = command.files[command.filesAsked]
  const file = sent ?? new LocalFile()
  if (sent === undefined) command.files.push(file)
  command.filesAsked++
  const { decoding, now } = state
  file.asked = now
  file.name = decoding.text(bytes, start, end)
  if (!decoding.valid(bytes, start, end, file.name))
    file.nameHex = `\\x${bytes.toString('hex', start, end)}`
  if (state.compressed) takeQueued(state, file)
  if (!file.ended) state.file = file
}

const NOTHING: Bytes = Buffer.alloc(0)

/** Where ids say nothing, packets of a file that came before it was asked for were taken for commands. */
const takeQueued = ({ queue, intents }: MysqlState, file: LocalFile): void => {
  while (!file.ended) {
    const packet = queue.takeSecond()
    intents?.taken(packet)
    if (packet === undefined) return
    if (typeof packet === 'number') {
      if (packet === EMPTY_PACKET) file.ended = true
      else file.addUnseen()
    } else if (packet.length === 0) file.ended = true
    else file.addPacket(packet.body ?? NOTHING, packet.length)
  }
}

/** Gives the events of the files that were asked for. */
export const tellFiles = (state: MysqlState, { execution, files }: Command): void => {
  if (execution === undefined || files === undefined) return
  for (const file of files) {
    if (file.told || file.name === undefined) continue
    file.told = true
    const sha256 = file.sha256()
    state.emit({
      event: 'local_infile',
      at: file.asked,
      who: execution.who,
      stmt_seq: execution.seq,
      infile_name: file.name,
      ...(file.nameHex === undefined ? {} : { infile_name_hex: file.nameHex }),
      infile_bytes: file.bytes,
      ...(sha256 === undefined ? {} : { infile_sha256: sha256 }),
      duration_us: Math.max(0, state.now - file.asked),
    })
  }
}
