import { flag, listOf, mapOf, types } from '../flags/types.ts';
import { gpusType } from './_device-spec.ts';
import { checkEnv, checkLabel } from '../key-values.ts';
import { limitFlags } from './_limit-flags.ts';
import { mountType } from './_mount-spec.ts';
import { networkType } from './_network-spec.ts';
import {
  checkDeviceRule,
  checkDomain,
  checkExtraHost,
  checkIp,
  checkLink,
  checkStream,
  checkSysctl,
  ulimitType,
} from './validate.ts';

const { bool, bytes, duration, int, string, uint64 } = types;
const list = listOf();

const process = {
  attach: flag(listOf(checkStream), 'Stream to connect with: STDIN, STDOUT or STDERR', { short: 'a' }),
  entrypoint: flag(string, "Program to run instead of the image's entrypoint"),
  env: flag(listOf(checkEnv), 'Environment variable: NAME=VALUE, or NAME to pass the own one on', { short: 'e' }),
  'env-file': flag(list, 'File with environment variables'),
  interactive: flag(bool, 'Keep standard input open', { short: 'i' }),
  tty: flag(bool, 'Give the container a terminal', { short: 't' }),
  user: flag(string, 'User name or uid, and group: <name|uid>[:<group|gid>]', { short: 'u' }),
  workdir: flag(string, 'Folder in which the command starts', { short: 'w' }),
  init: flag(bool, 'Run a small init that passes signals on and reaps processes'),
  'stop-signal': flag(string, 'Signal that asks the container to stop'),
  'stop-timeout': flag(int, 'Seconds between that signal and the kill'),
};

const identity = {
  annotation: flag(mapOf(), 'Annotation for the OCI runtime: NAME=VALUE'),
  cidfile: flag(string, "File to write the container's id to"),
  domainname: flag(string, 'NIS domain name'),
  hostname: flag(string, 'Host name inside the container', { short: 'h' }),
  label: flag(listOf(checkLabel), 'Label: NAME=VALUE', { short: 'l' }),
  'label-file': flag(list, 'File with labels'),
  name: flag(string, 'Name of the container'),
};

const life = {
  'health-cmd': flag(string, 'Command that checks the health'),
  'health-interval': flag(duration, 'Time between two checks (ms|s|m|h)', { shown: '0s' }),
  'health-http': flag(string, 'URL that the engine asks to check the health: URL, PORT/PATH or /PATH'),
  'health-on-failure': flag(string, 'What an unhealthy container gets: none, kill, restart or stop'),
  'health-retries': flag(int, 'Failed checks in a row after which the container counts as unhealthy'),
  'health-start-interval': flag(duration, 'Time between two checks in the start period (ms|s|m|h)', { shown: '0s' }),
  'health-start-period': flag(duration, 'Time to start up in which failed checks do not count (ms|s|m|h)', {
    shown: '0s',
  }),
  'health-tcp': flag(string, 'Port that the engine connects to to check the health: [ADDRESS:]PORT'),
  'health-timeout': flag(duration, 'Longest time that a check may take (ms|s|m|h)', { shown: '0s' }),
  'no-healthcheck': flag(bool, "Switch the image's health check off"),
  restart: flag(string, 'When to start again: no, on-failure[:max-retries], always, unless-stopped', {
    initial: 'no',
    shown: '"no"',
  }),
  rm: flag(bool, 'Remove the container and its anonymous volumes when it ends'),
  'log-driver': flag(string, 'Where the output goes'),
  'log-opt': flag(list, 'Option of the log driver'),
};

const limits = {
  ...limitFlags,
  'cgroup-parent': flag(string, 'Control group above that of the container'),
  'cpu-count': flag(int, 'Number of processors (Windows only)'),
  'cpu-percent': flag(int, 'Percent of the processors (Windows only)'),
  'io-maxbandwidth': flag(bytes, 'Bandwidth limit of the system drive (Windows only)'),
  'io-maxiops': flag(uint64, 'Operations limit of the system drive (Windows only)'),
  'memory-swappiness': flag(int, 'Readiness to swap (0 to 100)', { initial: -1, shown: '-1' }),
  'oom-kill-disable': flag(bool, 'Do not kill the container when memory runs out'),
  'oom-score-adj': flag(int, "Change of the kernel's out-of-memory preference (-1000 to 1000)"),
  'shm-size': flag(bytes, 'Size of /dev/shm'),
  ulimit: flag(ulimitType, 'Resource limit: NAME=SOFT[:HARD]', { shown: '[]' }),
};

const isolation = {
  'cap-add': flag(list, 'Capability to add'),
  'cap-drop': flag(list, 'Capability to drop'),
  cgroupns: flag(string, 'Control group namespace: host or private'),
  device: flag(list, 'Device of the host: PATH[:PATH[:rwm]], or a CDI name'),
  'device-cgroup-rule': flag(listOf(checkDeviceRule), 'Rule for device access: "c 1:3 rwm"'),
  'disable-content-trust': flag(bool, 'Accepted for compatibility', { hidden: true, initial: true }),
  gpus: flag(gpusType, "GPUs for the container ('all' for all of them)"),
  'group-add': flag(list, 'Additional group'),
  ipc: flag(string, 'IPC namespace'),
  isolation: flag(string, 'Isolation technology (Windows only)'),
  pid: flag(string, 'PID namespace: host, or container:NAME'),
  platform: flag(string, 'Platform of the image: os[/arch[/variant]]'),
  privileged: flag(bool, 'Give the container all privileges'),
  'read-only': flag(bool, 'Make the root file system read-only'),
  runtime: flag(string, 'OCI runtime to use'),
  'security-opt': flag(list, 'Security option'),
  sysctl: flag(mapOf(checkSysctl), 'Kernel parameter: NAME=VALUE', { shown: 'map[]' }),
  umask: flag(string, 'Mask of file modes that processes begin with, in octal'),
  userns: flag(string, 'User namespace'),
  uts: flag(string, 'UTS namespace'),
};

const files = {
  mount: flag(mountType, 'Mount: type=bind|volume|tmpfs|image,source=...,target=...'),
  'storage-opt': flag(list, 'Option of the storage backend'),
  tmpfs: flag(list, 'Folder in memory: PATH[:OPTIONS]'),
  'use-api-socket': flag(bool, "Give the container the engine's socket"),
  volume: flag(list, 'Volume or folder of the host: [SOURCE:]TARGET[:OPTIONS]', { short: 'v' }),
  'volume-driver': flag(string, 'Driver of the volumes'),
  'volumes-from': flag(list, 'Container whose volumes to mount too'),
};

const network = {
  'add-host': flag(listOf(checkExtraHost), 'Line for /etc/hosts: HOST:IP'),
  dns: flag(listOf(checkIp), 'DNS server'),
  'dns-opt': flag(list, 'DNS option', { hidden: true, alias: 'dns-option' }),
  'dns-option': flag(list, 'DNS option'),
  'dns-search': flag(listOf(checkDomain), 'DNS search domain'),
  expose: flag(list, 'Port or range to expose'),
  ip: flag(string, 'IPv4 address (172.30.100.104)'),
  ip6: flag(string, 'IPv6 address (2001:db8::33)'),
  link: flag(listOf(checkLink), 'Link to another container: NAME[:ALIAS]'),
  'link-local-ip': flag(listOf(checkIp), 'Link-local address'),
  'mac-address': flag(string, 'Hardware address (92:d0:c6:0a:29:33)'),
  net: flag(networkType, 'Network', { hidden: true, alias: 'network' }),
  'net-alias': flag(list, 'Network alias', { hidden: true, alias: 'network-alias' }),
  network: flag(networkType, 'Network to connect to'),
  'network-alias': flag(list, 'Name of the container in the network'),
  'network-rate-in': flag(string, 'What the container gets at most on each network: 10mbit, 1.5mbyte, none'),
  'network-rate-out': flag(string, 'What the container sends at most on each network'),
  publish: flag(list, 'Port to publish: [[IP:]HOST:]CONTAINER[/PROTOCOL]', { short: 'p' }),
  'publish-all': flag(bool, 'Publish all exposed ports under free ones of the host', { short: 'P' }),
};

/** The flags that `create` and `run` share. */
export const createFlags = {
  ...process,
  ...identity,
  ...life,
  ...limits,
  ...isolation,
  ...files,
  ...network,
  pull: flag(string, 'When to pull the image: "always", "missing", "never"', {
    initial: 'missing',
    shown: '"missing"',
  }),
  quiet: flag(bool, 'Do not show the pull', { short: 'q' }),
};
