import type { ApiServer } from '../api/server.ts';
import { invalid } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { takeActivatedSockets } from './activation.ts';
import type { EngineConfig } from './config.ts';
import { formatListenAddress } from './settings/listeners.ts';

/**
 * Serves the API at all addresses of the configuration; gives them as they were bound.
 * @throws EngineError naming the address that cannot be served
 */
export async function listenAll(server: ApiServer, config: EngineConfig, log: Logger): Promise<string[]> {
  const served: string[] = [];
  const activated = takeActivatedSockets(process.env);
  for (const address of config.listen) {
    if (address.kind === 'unix') {
      await server.listen(address.path, { group: config.group });
      served.push(formatListenAddress(address));
    } else if (address.kind === 'tcp') {
      if (config.tls === undefined) {
        log.warn('serving TCP without TLS: whoever reaches this port is root on this host', { ...address });
      }
      const port = await server.listenTcp(address.host, address.port, config.tls);
      served.push(formatListenAddress({ ...address, port }));
    } else {
      const wanted = activated.filter(({ name }) => address.name === undefined || name === address.name);
      if (wanted.length === 0) throw invalid(noSockets(address.name));
      for (const { fd } of wanted) await server.listenDescriptor(fd, config.tls);
      served.push(formatListenAddress(address));
    }
  }
  return served;
}

const noSockets = (name: string | undefined): string =>
  name === undefined
    ? 'no sockets found via socket activation: make sure the service was started by systemd'
    : `no socket named ${JSON.stringify(name)} found via socket activation`;
