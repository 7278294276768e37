/** What `querytap verify` prints, for people and for programs. */
import type { CheckedFile } from '../audit/verify-links.ts'

export interface Verdict {
  /** by the time of their first record */
  readonly files: readonly CheckedFile[]
  /** of the public keys that were given */
  readonly keyIds: readonly string[]
  /** of the seals that were asked for */
  readonly missingSeals: readonly string[]
  readonly foundSeals: readonly string[]
}

const RED = '\x1b[31m'
const GREEN = '\x1b[32m'
const PLAIN = '\x1b[0m'

/** Control characters of a name or a record must not reach a terminal. */
const clean = (text: string): string => text.replace(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, '?')

const count = (number: number, one: string): string =>
  `${number.toLocaleString('en-US')} ${one}${number === 1 ? '' : 's'}`

const sum = (files: readonly CheckedFile[], of: (file: CheckedFile) => number): number =>
  files.reduce((total, file) => total + of(file), 0)

const findingCount = ({ files, missingSeals }: Verdict): number =>
  sum(files, ({ findings }) => findings.length) + missingSeals.length

/** What the checks that were made cannot tell. */
const limitsOf = ({ files, keyIds }: Verdict): string => {
  const isSigned = files.some((file) => file.keyIds.length > 0)
  if (keyIds.length > 0)
    return 'Who has the private key can write all anew: only seals kept elsewhere (--expect-seal) tell that.'
  if (isSigned)
    return 'Without --key this shows accidents only: signatures were not checked, and anyone can make seals.'
  return 'The log is not signed, so this shows accidents only: anyone can make seals.'
}

const fileLines = (file: CheckedFile, paint: (color: string, text: string) => string): string[] => {
  const isFine = file.findings.length === 0
  const time = file.first === '' ? 'no records' : clean(`${file.first} to ${file.last}`)
  const unsealed = file.unsealed > 0 ? `, ${count(file.unsealed, 'record')} not vouched for` : ''
  return [
    `${paint(isFine ? GREEN : RED, isFine ? 'ok' : 'BAD')}  ${clean(file.path)}`,
    `    ${count(file.records, 'record')}, ${time}`,
    `    ${count(file.sealed, 'record')} sealed by ${count(file.checkpoints, 'checkpoint')}${unsealed}`,
    ...file.findings.map(({ text }) => `    ${paint(RED, '!')} ${clean(text)}`),
    ...file.notes.map((text) => `    - ${clean(text)}`),
  ]
}

/** A paragraph per file, then the sum of it and its limits. */
export const peopleReport = (verdict: Verdict, isColored: boolean): string => {
  const paint = (color: string, text: string): string => (isColored ? `${color}${text}${PLAIN}` : text)
  const { files, missingSeals, foundSeals } = verdict
  const findings = findingCount(verdict)
  const vouched = `${count(
    sum(files, ({ sealed }) => sealed),
    'record',
  )} vouched for`
  const unsealed = `${count(
    sum(files, (file) => file.unsealed),
    'record',
  )} not vouched for`
  const result = findings === 0 ? paint(GREEN, 'no findings') : paint(RED, count(findings, 'finding'))
  return [
    ...files.flatMap((file) => fileLines(file, paint)),
    ...foundSeals.map((seal) => `${paint(GREEN, 'ok')}  seal ${seal} is in the log`),
    ...missingSeals.map((seal) => `${paint(RED, 'BAD')}  seal ${seal} is not in the log`),
    `${count(files.length, 'file')}, ${vouched}, ${unsealed}: ${result}`,
    limitsOf(verdict),
    '',
  ].join('\n')
}

/** One JSON object. */
export const machineReport = (verdict: Verdict): string => {
  const files = verdict.files.map((file) => ({
    path: file.path,
    file: file.file,
    records: file.records,
    sealed: file.sealed,
    unsealed: file.unsealed,
    checkpoints: file.checkpoints,
    key_ids: file.keyIds,
    first_ts: file.first,
    last_ts: file.last,
    last_seal: file.lastSeal,
    last_seal_reason: file.lastReason,
    followed: file.isFollowed,
    findings: file.findings,
    notes: file.notes,
  }))
  return `${JSON.stringify({
    fine: findingCount(verdict) === 0,
    findings: findingCount(verdict),
    signatures_checked: verdict.keyIds.length > 0,
    key_ids: verdict.keyIds,
    limits: limitsOf(verdict),
    missing_seals: verdict.missingSeals,
    files,
  })}\n`
}
