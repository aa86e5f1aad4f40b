import { createSecureContext } from 'node:tls';
import { ConfigError } from '@kiln/config';
import type { HttpOptions, TlsKeys } from '@kiln/nest';
import { readText } from './read-text.ts';
import { sentenceOf } from './sentence.ts';
import type { ServerConfig } from './settings.ts';

/**
 * The public port as it is configured.
 * @throws ConfigError for a prefix that no path can have, or a certificate and key that cannot be used, naming the setting.
 */
export async function httpOptions(server: ServerConfig): Promise<HttpOptions> {
  const { tlsCertPath, tlsKeyPath, pathPrefix, ...options } = server;
  const tls = await tlsKeys(tlsCertPath, tlsKeyPath);
  return { ...options, pathPrefix: prefixOf(pathPrefix), ...(tls === undefined ? {} : { tls }) };
}

function prefixOf(found: string): string {
  const prefix = found.replace(/\/+$/, '');
  if (prefix === '' || /^(\/[\w.~!$&'()*+,;=:@-]+)+$/.test(prefix)) return prefix;
  throw new ConfigError(
    `server.path-prefix must begin with a slash and be a path, for example /kiln: found ${JSON.stringify(found)}`,
  );
}

async function tlsKeys(certPath: string, keyPath: string): Promise<TlsKeys | undefined> {
  if (certPath === '' && keyPath === '') return undefined;
  if (certPath === '' || keyPath === '')
    throw new ConfigError('TLS needs both server.http-tls-cert-path and server.http-tls-key-path: one is empty');
  const [cert, key] = await Promise.all([
    readPem('server.http-tls-cert-path', certPath),
    readPem('server.http-tls-key-path', keyPath),
  ]);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new ConfigError(`${certPath} and ${keyPath} are no certificate with its key: ${(error as Error).message}`);
  }
  return { cert, key };
}

async function readPem(setting: string, path: string): Promise<string> {
  try {
    return await readText(path);
  } catch (error) {
    throw new ConfigError(`${setting} cannot be read: ${sentenceOf(error)}`);
  }
}
