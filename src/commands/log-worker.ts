/** What runs in the thread that writes the audit log's file. */
import { parentPort, workerData } from 'node:worker_threads'
import type { DumpLogConfig } from '../../config/load.ts'
import { silentLog } from '../log.ts'
import type { FromWriter, PlainError } from '../sinks/remote-messages.ts'
import { serveRemote, type WriterPort } from '../sinks/remote-writer.ts'
import { lineEncoder, openFile } from './audit-log.ts'
import { openAuditSeal } from './audit-seal.ts'

const plainOf = (error: unknown): PlainError => {
  const { code = '', option, message = String(error) } = error as Partial<PlainError>
  return { code, message, ...(option !== undefined && { option }) }
}

const serve = (port: WriterPort, options: DumpLogConfig): void => {
  const tell = (message: FromWriter): void => port.postMessage(message)
  const trouble = (output: string) => (error: Error) =>
    tell({ kind: 'trouble', output, error: plainOf(error) })
  try {
    const encoder = lineEncoder(options, options.format)
    // whoever started this thread has told what is to be told of the key
    const seal = openAuditSeal(options, encoder, trouble('checkpointHook'), silentLog)
    const sink = openFile(options, encoder, seal, {
      onTrouble: trouble('file'),
      onRecovered: (lost) => tell({ kind: 'recovered', lost }),
      onIntents: (recovered, known) => tell({ kind: 'intents', recovered, known }),
      onCut: (name, bytes) => tell({ kind: 'cut', file: name, bytes }),
    })
    serveRemote(port, sink, async () => seal?.close())
  } catch (error) {
    tell({ kind: 'failed', error: plainOf(error) })
    port.close()
  }
}

if (parentPort) serve(parentPort as WriterPort, workerData as DumpLogConfig)
