import { readdirSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import type { RequestSeen } from '../api/server.ts';
import { listenOnPort } from '../api/http/listen-tcp.ts';
import { Histogram, type MetricFamily, renderMetrics } from '../base/text/metrics.ts';
import type { CheckCounts } from '../container/health/counts.ts';
import type { VersionView } from '../spec/engine/system.ts';
import type { OperatingSystem } from './info.ts';
import type { NetworkTimes } from './timed-networks.ts';

export interface MetricSources {
  readonly engineId: string;
  readonly version: () => VersionView;
  readonly driver: string;
  /** As uname(2) has it. */
  readonly arch: string;
  readonly checks: CheckCounts;
  readonly networkTimes: NetworkTimes;
  readonly containerCounts: () => { running: number; paused: number; stopped: number };
  readonly imageCount: () => number;
  readonly eventListeners: () => number;
}

/** Operations of the API that Docker times, and what it calls them. */
const timed: ReadonlyMap<string, readonly ['container' | 'image', string]> = new Map([
  ['ContainerCreate', ['container', 'create']],
  ['ContainerStart', ['container', 'start']],
  ['ContainerDelete', ['container', 'delete']],
  ['ImageCommit', ['container', 'commit']],
  ['ContainerChanges', ['container', 'changes']],
  ['ImageCreate', ['image', 'pull']],
  ['ImageDelete', ['image', 'delete']],
]);

/** Counts what the engine does, for as long as it runs. */
export class Metrics {
  readonly #sources: MetricSources;
  readonly #durations = new Map<string, Map<string, Histogram>>();
  readonly #requests = new Map<string, number>();
  readonly #began = Date.now() / 1000;
  readonly #os: OperatingSystem;
  #events = 0;

  constructor(sources: MetricSources, os: OperatingSystem) {
    this.#sources = sources;
    this.#os = os;
    // There from the beginning, as with Docker: a rate over what is not there yet is no number.
    for (const [kind, name] of timed.values()) if (kind === 'container') this.#histogram(kind, name);
    sources.networkTimes.onAction = (action, seconds) => this.#histogram('network', action).observe(seconds);
  }

  /** A request was answered. */
  seen({ operation, status, ms }: RequestSeen): void {
    const key = `${operation} ${status}`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    const action = timed.get(operation);
    if (action === undefined || status >= 400) return;
    const [kind, name] = action;
    this.#histogram(kind, name).observe(ms / 1000);
  }

  #histogram(kind: string, name: string): Histogram {
    const ofKind = this.#durations.get(kind) ?? new Map<string, Histogram>();
    this.#durations.set(kind, ofKind);
    const histogram = ofKind.get(name) ?? new Histogram();
    ofKind.set(name, histogram);
    return histogram;
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
    const { version, engineId, driver, arch, containerCounts, imageCount } = this.#sources;
    const { Version, GitCommit } = version();
    const counts = containerCounts();
    const info = { version: Version, commit: GitCommit, architecture: arch, graphdriver: driver, kernel: release() };
    return [
      gauge('engine_daemon_engine_info', 'What this engine is and runs on', [
        [{ ...info, daemon_id: engineId, os: this.#os.name, os_type: 'linux', os_version: this.#os.version }, 1],
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
      ...healthFamilies(this.#sources.checks),
      counter('gantry_api_requests_total', 'Answered requests by operation and status', requests),
    ];
  }
}

const healthFamilies = ({ total, failed, starts }: CheckCounts): MetricFamily[] => [
  counter('engine_daemon_health_checks_total', 'Health checks', [[{}, total]]),
  counter('engine_daemon_health_checks_failed_total', 'Health checks that could not be carried out', [[{}, failed]]),
  {
    name: 'engine_daemon_health_check_start_duration_seconds',
    help: 'Seconds until the command of a health check ran',
    type: 'histogram',
    samples: [[{}, starts]],
  },
];

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
    gauge('process_max_fds', 'Most file descriptors that may be open', [[{}, openFilesLimit()]]),
    gauge('process_resident_memory_bytes', 'Memory of the engine', [[{}, process.memoryUsage.rss()]]),
    gauge('process_start_time_seconds', 'When the engine began', [[{}, began]]),
  ];
}

/** The soft limit of /proc/self/limits (proc(5)). */
function openFilesLimit(): number {
  const line = readFileSync('/proc/self/limits', 'utf8')
    .split('\n')
    .find((one) => one.startsWith('Max open files'));
  return Number(line?.slice('Max open files'.length).trim().split(' ')[0] ?? 0);
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
