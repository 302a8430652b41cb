import {
  always,
  flagOnly,
  list,
  map,
  number,
  type Setting,
  switches,
  text,
  toggle,
  whenOff,
  whenOn,
} from './setting.ts';
import { builderNote, ownBuilderSettings } from './builder.ts';
import { storageDriverNote } from './storage.ts';

const noContainerd = always('there is no containerd in this engine: nothing is connected to');
const noSwarm = always('this engine has no swarm mode');

/** The engine itself: its folders, sockets, log and abilities. */
export const engineSettings: readonly Setting[] = [
  list('host', 'Address to serve the API on: unix:///path, tcp://host:port or fd://', { short: 'H', key: 'hosts' }),
  text('group', 'Group that may use the socket', { short: 'G' }),
  toggle('docker-socket', 'Serve /var/run/docker.sock too', { own: 'setting' }),
  toggle('insecure-tcp', 'Serve tcp:// without TLS: whoever reaches the port is root on this host', { own: 'setting' }),
  toggle('tls', 'Serve tcp:// with TLS; implied by --tlsverify'),
  toggle('tlsverify', 'Serve tcp:// with TLS, and only clients with a certificate of the CA'),
  text('tlscacert', 'Certificates of the CA that clients are checked against'),
  text('tlscert', 'Certificate of the engine'),
  text('tlskey', 'Private key of the engine'),
  text('data-root', 'Where images, containers and volumes are kept'),
  text('exec-root', 'Where files live that end with the host'),
  text('pidfile', 'File for the process id', { short: 'p' }),
  flagOnly(text('config-file', 'Settings as JSON')),
  flagOnly(toggle('validate', 'Check the settings and end')),
  flagOnly(toggle('version', 'Print the version and end', { short: 'v' })),
  toggle('debug', 'Log at level debug', { short: 'D' }),
  text('log-level', 'Least level to log: debug, info, warn, error or fatal', { short: 'l' }),
  text('log-format', "The engine's own log: text or json"),
  toggle('raw-logs', 'Text logs without colours', { note: whenOff('text logs never have colours') }),
  list('label', 'Label of the engine, shown in info', { key: 'labels' }),
  list('node-generic-resource', 'Resource that this host offers, shown in info', { key: 'node-generic-resources' }),
  toggle('experimental', 'Tell clients that experimental parts are on'),
  switches('feature', 'Turn a feature on or off', { key: 'features' }),
  text('metrics-addr', 'Address to serve Prometheus metrics on: host:port'),
  list('authorization-plugin', 'Plugin that decides about each request', {
    key: 'authorization-plugins',
  }),
  list('plugin-dir', "Folder to look for plugins in instead of Docker's: sockets, .spec and .json files", {
    key: 'plugin-dirs',
  }),
  list('secret-dir', 'Folder for keys of volumes that are secrets, instead of /run/secrets and /etc/gantry/secrets', {
    key: 'secret-dirs',
    own: 'setting',
  }),
  text('min-api-version', 'Oldest API version that is spoken', { keyOnly: true }),
  number('shutdown-timeout', 'Seconds to wait for containers at the end', {
    note: always('containers outlive the engine: its end waits for none'),
  }),
  toggle('live-restore', 'Keep containers running while the engine is away', {
    note: whenOff('containers always outlive this engine'),
  }),
  text('containerd', 'Address of containerd', { note: noContainerd }),
  text('containerd-namespace', 'Namespace in containerd', { note: noContainerd }),
  text('containerd-plugins-namespace', 'Namespace of plugins in containerd', {
    oldKey: 'containerd-plugin-namespace',
    note: noContainerd,
  }),
  toggle('cri-containerd', 'Serve CRI by containerd', { refuse: whenOn('there is no containerd in this engine') }),
  toggle('rootless', 'Run without root', { refuse: whenOn('this engine needs root') }),
  text('storage-driver', 'How layers are kept: erofs or dir; the best that the host can do if left out', {
    short: 's',
    note: storageDriverNote,
    own: 'values',
  }),
  list('storage-opt', 'Option of the storage driver: NAME=VALUE', { key: 'storage-opts' }),
  text(
    'layer-compression',
    'Compression of layers that commit and import make: gzip, zstd or none (gzip if left out)',
    { own: 'setting' },
  ),
  toggle('selinux-enabled', 'Label containers for SELinux', {
    note: whenOn('SELinux labels are not given to containers here'),
  }),
  text('swarm-default-advertise-addr', 'Address for other nodes of a swarm', { note: noSwarm }),
  number('swarm-raft-heartbeat-tick', 'Ticks of the swarm', { note: noSwarm }),
  number('swarm-raft-election-tick', 'Ticks of the swarm', { note: noSwarm }),
  map('builder', 'What builds may be allowed (entitlements), and garbage collection of the builder', {
    keyOnly: true,
    note: builderNote,
  }),
  ...ownBuilderSettings,
  map('nri-opts', 'Node Resource Interface', { keyOnly: true, note: always('there is no Node Resource Interface') }),
  text('deprecated-key-path', 'Has had no effect for long', {
    keyOnly: true,
    note: always('it means nothing any more'),
  }),
];
