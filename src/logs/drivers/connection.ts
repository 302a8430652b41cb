import { readFile } from 'node:fs/promises';
import { createConnection, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { cancelledBy, orAborted } from '../../base/async.ts';
import type { BackendAddress } from '../settings/addresses.ts';

/** Certificates of a TLS connection, by the paths that options name. */
export interface TlsFiles {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly skipVerify: boolean;
}

const CONNECT_MS = 10_000;

/** A connection to a backend: made at the first write, and anew at the first one after it broke. */
export class BackendConnection {
  readonly #address: BackendAddress;
  readonly #tls: TlsFiles | undefined;
  /** Called with what the backend sends. */
  readonly #onData: (bytes: Buffer) => void;
  #socket: Socket | undefined;

  constructor(address: BackendAddress, tls: TlsFiles | undefined, onData: (bytes: Buffer) => void = () => undefined) {
    this.#address = address;
    this.#tls = tls;
    this.#onData = onData;
  }

  get isOpen(): boolean {
    return this.#socket !== undefined && !this.#socket.destroyed && this.#socket.writable;
  }

  /** Resolves when the kernel has the bytes. @throws when there is no connection to be had, or it breaks. */
  async write(bytes: Uint8Array, signal: AbortSignal, timeoutMs = 0): Promise<void> {
    const socket = this.isOpen && this.#socket !== undefined ? this.#socket : await this.#open(signal);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onClose = () => reject(new Error('the connection was closed'));
    socket.once('close', onClose);
    socket.write(bytes, (error) => (error == null ? resolve() : reject(error)));
    const timer =
      timeoutMs > 0 ? setTimeout(() => socket.destroy(new Error('the write timed out')), timeoutMs) : undefined;
    try {
      await orAborted(promise, signal);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
      socket.off('close', onClose);
    }
  }

  /** Rejects when the current connection closes; never resolves. */
  broken(signal: AbortSignal): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>();
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) reject(new Error('the connection was closed'));
    else socket.once('close', () => reject(new Error('the connection was closed')));
    return orAborted(promise, signal);
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  async #open(signal: AbortSignal): Promise<Socket> {
    this.close();
    if (signal.aborted) throw cancelledBy(signal);
    const { scheme, host, port, path } = this.#address;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const options = path === '' ? { host, port } : { path };
    const secure = scheme === 'tls' || scheme === 'tcp+tls';
    const socket: Socket = secure
      ? connectTls({ ...options, ...serverName(host), ...(await tlsOptions(this.#tls)) }, resolve)
      : createConnection(options, resolve);
    this.#socket = socket;
    socket.setKeepAlive(true);
    socket.on('data', this.#onData);
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
    // A backend that closes its side reads no more.
    socket.once('end', () => socket.destroy());
    const timer = setTimeout(() => socket.destroy(new Error('no connection within 10 s')), CONNECT_MS);
    try {
      await orAborted(promise, signal);
      return socket;
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** An address is no name that a server could be asked for (RFC 6066); its certificate is checked for it all the same. */
const serverName = (host: string): { readonly servername?: string } => (isIP(host) === 0 ? { servername: host } : {});

async function tlsOptions(files: TlsFiles | undefined): Promise<ConnectionOptions> {
  const { ca, cert, key, skipVerify = false } = files ?? {};
  return {
    ...(ca === undefined ? {} : { ca: await readFile(ca) }),
    ...(cert === undefined ? {} : { cert: await readFile(cert) }),
    ...(key === undefined ? {} : { key: await readFile(key) }),
    rejectUnauthorized: !skipVerify,
  };
}
