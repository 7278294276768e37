#!/usr/bin/env node
/** The program: its arguments name one command, whose exit code it ends with. */
import { main } from './commands/main.ts'

// a reader that has gone away (`querytap config | head`) is no trouble of ours
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

process.exitCode = await main(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  env: process.env,
})
// only where something, such as a module of the user's own, keeps the process from ending by itself
setTimeout(() => process.exit(), 1000).unref()
