/** `querytap config`: the effective configuration as TOML, or with `--check` only whether it is right. */
import { type LoadOptions, loadConfig } from '../../config/load.ts'
import { renderToml } from '../../config/render.ts'

export interface ConfigOptions extends LoadOptions {
  /** say only that it is right */
  readonly check: boolean
}

/** What the command prints. Throws ConfigError for what is wrong with the configuration. */
export const describeConfig = ({ check, ...options }: ConfigOptions): string => {
  const config = loadConfig(options)
  if (!check) return renderToml(config)
  const { length } = config.listeners
  const listeners = length === 0 ? 'no listener' : length === 1 ? '1 listener' : `${length} listeners`
  return `${config.file ?? 'no file, defaults'}: fine, ${listeners}\n`
}
