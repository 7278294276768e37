// Installs what the live tests need and this machine lacks: as root on Debian or Ubuntu, by apt-get.
// Elsewhere it says what to install; the live tests are then skipped (with CI=true they fail).
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

const packages = Object.values(
  JSON.parse(readFileSync(new URL('../support/packages.json', import.meta.url), 'utf8')),
)

// biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own syntax
const STATUS = '${db:Status-Status}'

const isInstalled = (name) => {
  const query = spawnSync('dpkg-query', ['-W', '-f', STATUS, name], { encoding: 'utf8' })
  return query.stdout === 'installed'
}

const aptGet = (...args) => {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return (
    spawnSync('apt-get', ['-q', ...args], { env, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
  )
}

const onDebian = existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg-query')
const missing = onDebian ? packages.filter((name) => !isInstalled(name)) : packages

if (!onDebian) {
  console.warn(`live tests need the programs of these Debian packages: ${packages.join(' ')}`)
} else if (missing.length > 0 && process.getuid() !== 0) {
  console.warn(`live tests need more: sudo apt-get install --no-install-recommends ${missing.join(' ')}`)
} else if (missing.length > 0) {
  console.log(`installing for the live tests: ${missing.join(' ')}`)
  // The package lists of a fresh image are empty or old; of a machine in use, often good enough.
  const install = () => aptGet('install', '-y', '--no-install-recommends', ...missing)
  const done = (aptGet('update') && install()) || install()
  if (!done) {
    console.error('apt-get failed: live tests that lack a server are skipped')
    process.exitCode = process.env.CI === 'true' ? 1 : 0
  }
}
