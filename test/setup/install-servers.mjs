// Installs what the live tests need and this machine lacks: as root on Debian or Ubuntu, by apt-get; servers
// that npm has, anywhere, into node_modules/.cache, so that no user's install ever meets them.
// Elsewhere it says what to install; the live tests are then skipped (with CI=true they fail).
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const read = (name) => JSON.parse(readFileSync(new URL(`../support/${name}`, import.meta.url), 'utf8'))
const cache = fileURLToPath(new URL('../../node_modules/.cache/querytap-servers', import.meta.url))

const packages = Object.values(read('packages.json'))

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

const failed = (message) => {
  console.error(message)
  process.exitCode = process.env.CI === 'true' ? 1 : 0
}

const installPackages = () => {
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
    if (!done) failed('apt-get failed: live tests that lack a server are skipped')
  }
}

const versionOf = (name) => {
  const file = `${cache}/node_modules/${name}/package.json`
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : undefined
}

const installFromNpm = () => {
  const here = `${process.platform}-${process.arch}`
  const servers = Object.values(read('npm-servers.json')).filter(({ platform }) => platform === here)
  const missing = servers.filter(({ name, version }) => versionOf(name) !== version)
  if (missing.length === 0) return
  const wanted = missing.map(({ name, version }) => `${name}@${version}`)
  console.log(`installing for the live tests: ${wanted.join(' ')}`)
  mkdirSync(cache, { recursive: true })
  if (!existsSync(`${cache}/package.json`)) writeFileSync(`${cache}/package.json`, '{ "private": true }\n')
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
  const npm = spawnSync('npm', ['install', '--prefix', cache, ...flags, ...wanted], { stdio: 'inherit' })
  if (npm.status !== 0) failed('npm failed: live tests that lack a server are skipped')
}

installPackages()
installFromNpm()
