import { EngineError, invalid } from '../../base/errors.ts';
import { decodeCreateContainer } from '../../spec/decode/create-container.ts';
import { decodeFilters } from '../../spec/decode/filters.ts';
import { decodePlatform } from '../../spec/decode/platform.ts';
import { queryInteger, queryTerminalSize } from '../../spec/decode/query.ts';
import type { WaitCondition } from '../../spec/engine/container.ts';
import type { Exchange } from '../http/exchange.ts';
import { beginStream } from '../http/streams.ts';
import type { ContainerService, StopOptions } from '../services/container.ts';
import { containerInspectView, containerSummaryView } from '../views/container.ts';
import type { Handlers } from './handlers.ts';

const listFilters = [
  'ancestor',
  'annotation',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'label!',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
];

export function containerHandlers(containers: ContainerService): Handlers {
  return {
    async ContainerList(exchange) {
      const limit = queryInteger(exchange.query, 'limit', { min: -1, max: 2 ** 31 });
      const list = await containers.list({
        all: exchange.flag('all'),
        size: exchange.flag('size'),
        filters: decodeFilters(exchange.text('filters'), listFilters),
        ...(limit === undefined || limit <= 0 ? {} : { limit }),
      });
      exchange.send(
        200,
        list.map((summary) => containerSummaryView(summary, exchange.minor)),
      );
    },
    ContainerCreate: (exchange) => create(exchange, containers),
    async ContainerInspect(exchange) {
      const view = await containers.inspect(exchange.param('id'), { size: exchange.flag('size') });
      exchange.send(200, containerInspectView(view, exchange.minor));
    },
    async ContainerStart(exchange) {
      if (Number(exchange.request.headers['content-length'] ?? 0) > 2) {
        throw invalid(
          'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
        );
      }
      if ((exchange.text('checkpoint') ?? '') !== '') {
        throw new EngineError('not-implemented', 'starting from a checkpoint is not implemented by this engine');
      }
      await containers.start(exchange.param('id'));
      exchange.empty(204);
    },
    async ContainerStop(exchange) {
      await containers.stop(exchange.param('id'), stopOptions(exchange));
      exchange.empty(204);
    },
    async ContainerRestart(exchange) {
      await containers.restart(exchange.param('id'), stopOptions(exchange));
      exchange.empty(204);
    },
    async ContainerKill(exchange) {
      const signal = exchange.text('signal');
      await containers.kill(exchange.param('id'), signal === '' ? undefined : signal);
      exchange.empty(204);
    },
    async ContainerDelete(exchange) {
      await containers.remove(exchange.param('id'), {
        force: exchange.flag('force'),
        volumes: exchange.flag('v'),
        link: exchange.flag('link'),
      });
      exchange.empty(204);
    },
    async ContainerResize(exchange) {
      const { rows, columns } = queryTerminalSize(exchange.query);
      await containers.resize(exchange.param('id'), rows, columns);
      exchange.empty(200);
    },
    ContainerWait: (exchange) => wait(exchange, containers),
  };
}

async function create(exchange: Exchange, containers: ContainerService): Promise<void> {
  const body = await exchange.json();
  if (body === undefined) throw invalid('invalid JSON: got EOF while reading request body');
  const name = exchange.text('name');
  const platform = exchange.minor < 41 ? undefined : decodePlatform(exchange.text('platform'));
  const request = decodeCreateContainer(body, {
    apiMinor: exchange.minor,
    ...(name === undefined ? {} : { name }),
    ...(platform === undefined ? {} : { platform }),
  });
  const { id, warnings } = await containers.create(request);
  exchange.send(201, { Id: id, Warnings: [...warnings, ...(request.warnings ?? [])] });
}

function stopOptions(exchange: Exchange): StopOptions {
  const timeoutSeconds = queryInteger(exchange.query, 't', { min: -(2 ** 31), max: 2 ** 31 });
  // Other signals than the container's own: API 1.42 and later.
  const signal = exchange.minor < 42 ? undefined : exchange.text('signal');
  return {
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds: Math.max(-1, timeoutSeconds) }),
    ...(signal === undefined || signal === '' ? {} : { signal }),
  };
}

const waitConditions: Readonly<Record<string, WaitCondition>> = {
  '': 'not-running',
  'not-running': 'not-running',
  'next-exit': 'next-exit',
  removed: 'removed',
};

/**
 * The head is sent as soon as the wait holds: `docker run` starts its container only when it has seen it, so that it
 * cannot miss the end of a short one.
 */
async function wait(exchange: Exchange, containers: ContainerService): Promise<void> {
  const wanted = exchange.text('condition') ?? '';
  const condition = Object.hasOwn(waitConditions, wanted) ? waitConditions[wanted] : undefined;
  if (condition === undefined) throw invalid(`invalid condition: ${JSON.stringify(wanted)}`);
  const { signal, response } = exchange;
  const { result } = await containers.wait(exchange.param('id'), condition, signal);
  beginStream(response, 'application/json');
  try {
    const { statusCode, error } = await result;
    response.end(
      `${JSON.stringify({ StatusCode: statusCode, ...(error === undefined ? {} : { Error: { Message: error } }) })}\n`,
    );
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
