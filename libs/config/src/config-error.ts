/** A setting that cannot be used. The message is the whole sentence to show: what was found, what is allowed, which setting. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}
