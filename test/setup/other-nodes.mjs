// Runs the unit tests under the other supported versions of Node. Their binaries come from npm (the packages
// that `node` itself installs), into node_modules/.cache, so that no user's install ever meets them.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const VERSIONS = { node22: '22.23.3', node24: '24.21.0' }

const root = fileURLToPath(new URL('../..', import.meta.url))
const cache = `${root}node_modules/.cache/querytap-nodes`
const platform = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
const binary = (alias) => `${cache}/node_modules/${alias}/bin/node`
const versionOf = (alias) => spawnSync(binary(alias), ['--version'], { encoding: 'utf8' }).stdout?.trim()

// What is tried at random is tried at length under the main version; here a quarter of it shows whether it runs.
const env = { ...process.env, QUERYTAP_FUZZ: process.env.QUERYTAP_FUZZ ?? '0.25' }

const run = (command, args) => {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env })
  if (error) console.error(String(error))
  return status === 0
}

const install = () => {
  mkdirSync(cache, { recursive: true })
  if (!existsSync(`${cache}/package.json`)) writeFileSync(`${cache}/package.json`, '{ "private": true }\n')
  const wanted = Object.entries(VERSIONS).map(([alias, version]) => `${alias}@npm:${platform}@${version}`)
  return run('npm', [
    'install',
    '--prefix',
    cache,
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    ...wanted,
  ])
}

const aliases = Object.keys(VERSIONS)
const present = aliases.every((alias) => versionOf(alias) === `v${VERSIONS[alias]}`)
if (!present && !install()) process.exit(1)

const failed = aliases.filter((alias) => {
  console.log(`unit tests under Node ${versionOf(alias)}`)
  return !run(binary(alias), [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    'unit',
    ...process.argv.slice(2),
  ])
})
if (failed.length > 0) console.error(`failed under ${failed.join(', ')}`)
process.exit(failed.length > 0 ? 1 : 0)
