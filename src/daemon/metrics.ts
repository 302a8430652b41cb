import { readdirSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import type { RequestSeen } from '../api/server.ts';
import { listenOnPort } from '../api/http/listen-tcp.ts';
import { Histogram, type MetricFamily, renderMetrics } from '../base/text/metrics.ts';
import type { VersionView } from '../spec/engine/system.ts';

export interface MetricSources {
  readonly engineId: string;
  readonly version: () => VersionView;
  readonly driver: string;
  readonly containerCounts: () => { running: number; paused: number; stopped: number };
  readonly imageCount: () => number;
  readonly eventListeners: () => number;
}

/** Operations of the API that Docker times, and what it calls them. */
const timed: ReadonlyMap<string, readonly ['container' | 'image' | 'network', string]> = new Map([
  ['ContainerCreate', ['container', 'create']],
  ['ContainerStart', ['container', 'start']],
  ['ContainerDelete', ['container', 'delete']],
  ['ImageCommit', ['container', 'commit']],
  ['ContainerChanges', ['container', 'changes']],
  ['ImageCreate', ['image', 'pull']],
  ['ImageDelete', ['image', 'delete']],
  ['NetworkList', ['network', 'list']],
]);

/** Counts what the engine does, for as long as it runs. */
export class Metrics {
  readonly #sources: MetricSources;
  readonly #durations = new Map<string, Map<string, Histogram>>();
  readonly #requests = new Map<string, number>();
  readonly #began = Date.now() / 1000;
  #events = 0;

  constructor(sources: MetricSources) {
    this.#sources = sources;
  }

  /** A request was answered. */
  seen({ operation, status, ms }: RequestSeen): void {
    const key = `${operation} ${status}`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    const action = timed.get(operation);
    if (action === undefined || status >= 400) return;
    const [kind, name] = action;
    const ofKind = this.#durations.get(kind) ?? new Map<string, Histogram>();
    this.#durations.set(kind, ofKind);
    const histogram = ofKind.get(name) ?? new Histogram();
    ofKind.set(name, histogram);
    histogram.observe(ms / 1000);
  }

  /** So many events were journalled. */
  happened(count: number): void {
    this.#events += count;
  }

  /** All of it in Prometheus's text format. */
  text(): string {
    return renderMetrics([...this.#engineFamilies(), ...this.#activityFamilies(), ...processFamilies(this.#began)]);
  }

  #engineFamilies(): MetricFamily[] {
    const { version, engineId, driver, containerCounts, imageCount } = this.#sources;
    const { Version, GitCommit, Arch } = version();
    const counts = containerCounts();
    const info = { version: Version, commit: GitCommit, architecture: Arch, graphdriver: driver, kernel: release() };
    return [
      gauge('engine_daemon_engine_info', 'What this engine is and runs on', [
        [{ ...info, daemon_id: engineId, os_type: 'linux' }, 1],
      ]),
      gauge('engine_daemon_engine_cpus_cpus', 'Processors of the host', [[{}, cpus().length]]),
      gauge('engine_daemon_engine_memory_bytes', 'Memory of the host', [[{}, totalmem()]]),
      gauge('engine_daemon_container_states_containers', 'Containers by state', [
        [{ state: 'paused' }, counts.paused],
        [{ state: 'running' }, counts.running],
        [{ state: 'stopped' }, counts.stopped],
      ]),
      gauge('gantry_images', 'Images in the store', [[{}, imageCount()]]),
    ];
  }

  #activityFamilies(): MetricFamily[] {
    const histograms = [...this.#durations].map(
      ([kind, byAction]): MetricFamily => ({
        name: `engine_daemon_${kind}_actions_seconds`,
        help: `Seconds that each ${kind} action took`,
        type: 'histogram',
        samples: [...byAction].map(([action, value]) => [{ action }, value]),
      }),
    );
    const requests = [...this.#requests].map(([key, count]): [Record<string, string>, number] => {
      const [operation = '', code = ''] = key.split(' ');
      return [{ operation, code }, count];
    });
    return [
      counter('engine_daemon_events_total', 'Events logged', [[{}, this.#events]]),
      gauge('engine_daemon_events_subscribers_total', 'Clients that listen to events', [
        [{}, this.#sources.eventListeners()],
      ]),
      ...histograms,
      counter('gantry_api_requests_total', 'Answered requests by operation and status', requests),
    ];
  }
}

const gauge = (name: string, help: string, samples: MetricFamily['samples']): MetricFamily => ({
  name,
  help,
  type: 'gauge',
  samples,
});
const counter = (name: string, help: string, samples: MetricFamily['samples']): MetricFamily => ({
  name,
  help,
  type: 'counter',
  samples,
});

function processFamilies(began: number): MetricFamily[] {
  const { user, system } = process.cpuUsage();
  return [
    counter('process_cpu_seconds_total', 'Processor time of the engine', [[{}, (user + system) / 1e6]]),
    gauge('process_open_fds', 'Open file descriptors', [[{}, readdirSync('/proc/self/fd').length]]),
    gauge('process_resident_memory_bytes', 'Memory of the engine', [[{}, process.memoryUsage.rss()]]),
    gauge('process_start_time_seconds', 'When the engine began', [[{}, began]]),
  ];
}

/** Serves `GET /metrics` at `host:port`; gives what ends it, and the port. @throws EngineError when it cannot listen */
export async function serveMetrics(
  address: string,
  metrics: Metrics,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const http = process.getBuiltinModule('node:http');
  const server = http.createServer({ maxHeaderSize: 16 * 1024 }, (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0];
    if (path !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('404 page not found\n');
      return;
    }
    const text = metrics.text();
    response.writeHead(200, {
      'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
    });
    response.end(request.method === 'HEAD' ? undefined : text);
  });
  server.maxConnections = 64;
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  const port = await listenOnPort(server, bare === '' ? '0.0.0.0' : bare, Number(address.slice(colon + 1)));
  return {
    port,
    close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeAllConnections();
      return promise;
    },
  };
}
