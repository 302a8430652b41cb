import { once } from 'node:events';
import type { Method } from '../grpc/server.ts';
import { tunnelOf } from '../grpc/tunnel.ts';
import type { ControlContext } from './service.ts';

/** A session inside a call: clients with one connection (bake with several targets) open more sessions so. */
export function sessionMethod({ sessions }: ControlContext): [string, Method] {
  return [
    '/moby.buildkit.v1.Control/Session',
    async (call) => {
      const header = (name: string): string => String(call.metadata[name] ?? '');
      const info = {
        id: header('x-docker-expose-session-uuid'),
        sharedKey: header('x-docker-expose-session-sharedkey'),
        methods: new Set(
          header('x-docker-expose-session-grpc-method')
            .split(',')
            .map((method) => method.trim()),
        ),
      };
      sessions.check(info);
      const tunnel = tunnelOf(call);
      const closed = once(tunnel, 'close');
      await sessions.open(tunnel, info);
      tunnel.destroy();
      await closed;
    },
  ];
}
