const hour = 3600;
const now = Math.floor(Date.now() / 1000);
const hex = (digit: string): string => digit.repeat(64);
const networkSettings = { Networks: { bridge: { NetworkID: hex('1'), IPAddress: '172.17.0.2' } } };

export const containers = [
  {
    Id: hex('a'),
    Names: ['/web', '/other/link'],
    Image: 'nginx:1.27',
    ImageID: `sha256:${hex('5')}`,
    Command: "/docker-entrypoint.sh nginx -g 'daemon off;'",
    Created: now - 2 * hour - 30,
    Ports: [
      { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
      { IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
      { IP: '0.0.0.0', PrivatePort: 443, PublicPort: 443, Type: 'tcp' },
      { IP: '0.0.0.0', PrivatePort: 444, PublicPort: 444, Type: 'tcp' },
      { PrivatePort: 9000, Type: 'udp' },
    ],
    SizeRw: 1095,
    SizeRootFs: 192_000_000,
    Labels: { b: '2', a: '<1>&' },
    State: 'running',
    Status: 'Up 2 hours (healthy)',
    HostConfig: { NetworkMode: 'bridge' },
    NetworkSettings: networkSettings,
    Mounts: [
      {
        Type: 'volume',
        Name: 'a-volume-with-a-long-name',
        Source: '',
        Destination: '/v',
        Driver: 'local',
        Mode: 'z',
        RW: true,
        Propagation: '',
      },
      { Type: 'bind', Source: '/srv', Destination: '/srv', Mode: '', RW: true, Propagation: 'rprivate' },
    ],
  },
  {
    Id: hex('b'),
    Names: ['/ünïcode'],
    Image: `sha256:${hex('6')}`,
    ImageID: `sha256:${hex('6')}`,
    Command: 'sh -c "a\tb"',
    Created: now - 5 * hour,
    Ports: [],
    Labels: {},
    State: 'exited',
    Status: 'Exited (137) 12 seconds ago',
    HostConfig: { NetworkMode: 'host' },
    NetworkSettings: { Networks: { host: {} } },
    Mounts: [],
  },
  {
    Id: hex('d'),
    Names: ['/by-digest'],
    Image: `registry.local:5000/team/app:v1@sha256:${hex('7')}`,
    ImageID: `sha256:${hex('8')}`,
    Command: 'true',
    Created: now - 400 * 24 * hour,
    Ports: [
      { PrivatePort: 53, Type: 'tcp' },
      { PrivatePort: 53, Type: 'udp' },
    ],
    Labels: null,
    State: 'created',
    Status: 'Created',
    HostConfig: { NetworkMode: 'bridge' },
    NetworkSettings: networkSettings,
    Mounts: [],
  },
];

/** `GET /containers/{name}/json`, with numbers that no double holds and a field that clients do not know. */
export const container = (name: string): string => {
  const running = !name.includes('stopped');
  return `{"Id":"${hex('a')}","Created":"2026-01-02T03:04:05.678901234Z","Path":"nginx","Args":["-g","daemon off;"],
"State":{"Status":"${running ? 'running' : 'exited'}","Running":${running},"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":1234,"ExitCode":0,"Error":"","StartedAt":"2026-01-02T03:04:06Z","FinishedAt":"0001-01-01T00:00:00Z"},
"Image":"sha256:${hex('5')}","ResolvConfPath":"/r","HostnamePath":"/h","HostsPath":"/o","LogPath":"/l","Name":"/web","RestartCount":0,"Driver":"overlay2","Platform":"linux","MountLabel":"","ProcessLabel":"","AppArmorProfile":"","ExecIDs":null,
"HostConfig":{"Binds":["/srv:/srv"],"ContainerIDFile":"","LogConfig":{"Type":"json-file","Config":{"max-size":"10m"}},"NetworkMode":"bridge","PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":false,"Memory":9007199254740993,"CapAdd":null,"Dns":[],"Ulimits":[{"Name":"nofile","Hard":20,"Soft":10}]},
"GraphDriver":{"Data":{"UpperDir":"/u","LowerDir":"/w"},"Name":"overlay2"},
"Mounts":[{"Type":"bind","Source":"/srv","Destination":"/srv","Mode":"","RW":true,"Propagation":"rprivate"}],
"Config":{"Hostname":"aaaa","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"ExposedPorts":{"80/tcp":{}},"Tty":false,"OpenStdin":true,"StdinOnce":false,"Env":["A=1","B=<2>"],"Cmd":["nginx"],"Image":"nginx:1.27","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{"b":"2","a":"1"}},
"NetworkSettings":{"Bridge":"","SandboxID":"s","SandboxKey":"/k","Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"443/tcp":null},"IPAddress":"172.17.0.2","IPPrefixLen":16,"Networks":{"bridge":{"IPAMConfig":null,"Links":null,"Aliases":null,"NetworkID":"${hex('1')}","EndpointID":"e","Gateway":"172.17.0.1","IPAddress":"172.17.0.2","IPPrefixLen":16,"MacAddress":"02:42:ac:11:00:02"}}},
"Gantry":{"note":"unknown to clients"}}`;
};

const cpu = (used: number, system: number) => ({
  cpu_usage: { total_usage: used },
  system_cpu_usage: system,
  online_cpus: 4,
});

export const stats = (name: string) => ({
  name: `/${name}`,
  id: hex('a'),
  read: '2026-01-02T03:04:05Z',
  preread: '2026-01-02T03:04:04Z',
  cpu_stats: cpu(3_000_000_000, 40_000_000_000),
  precpu_stats: cpu(2_900_000_000, 36_000_000_000),
  memory_stats: { usage: 12_345_678, limit: 2_000_000_000, stats: { inactive_file: 345_678 } },
  pids_stats: { current: 5 },
  networks: { eth0: { rx_bytes: 1234, tx_bytes: 5_678_900 } },
  blkio_stats: {
    io_service_bytes_recursive: [
      { op: 'read', value: 4096 },
      { op: 'write', value: 0 },
    ],
  },
});

export const history = [
  {
    Id: `sha256:${'4f'.repeat(32)}`,
    Created: now - 3 * 3600,
    CreatedBy: '/bin/sh -c #(nop)  CMD ["nginx" "-g" "daemon off;"]\tand more than fits',
    Tags: ['nginx:latest'],
    Size: 0,
    Comment: 'buildkit.dockerfile.v0',
  },
  {
    Id: '<missing>',
    Created: now - 90 * 86_400,
    CreatedBy: 'ADD <file> in /',
    Tags: null,
    Size: 74_812_345,
    Comment: '',
  },
  { Id: '<missing>', Created: 0, CreatedBy: '', Tags: null, Size: 999, Comment: 'a & b <c>' },
];

export const images = [
  {
    Id: `sha256:${hex('5')}`,
    ParentId: '',
    RepoTags: ['nginx:1.27'],
    RepoDigests: [`nginx@sha256:${hex('7')}`],
    Created: now - 20 * 24 * hour,
    Size: 192_345_678,
    SharedSize: -1,
    Containers: -1,
    Labels: null,
  },
  {
    Id: `sha256:${hex('6')}`,
    ParentId: '',
    RepoTags: [],
    RepoDigests: [],
    Created: now - 3 * hour,
    Size: 4_261_550,
    SharedSize: 1000,
    Containers: 2,
    Labels: { x: 'y' },
  },
  {
    Id: `sha256:${hex('8')}`,
    ParentId: '',
    RepoTags: null,
    RepoDigests: [`registry.local:5000/team/app@sha256:${hex('9')}`],
    Created: now - 30 * hour,
    Size: 999,
    SharedSize: -1,
    Containers: -1,
    Labels: null,
  },
];

export const image = {
  Id: `sha256:${hex('5')}`,
  RepoTags: ['nginx:1.27'],
  RepoDigests: [],
  Parent: '',
  Comment: 'a & b <c>',
  Created: '2026-01-02T03:04:05Z',
  DockerVersion: '',
  Author: '',
  Config: { Cmd: ['nginx'], Env: ['A=1'], ExposedPorts: { '80/tcp': {} }, Labels: { a: '1' } },
  Architecture: 'amd64',
  Os: 'linux',
  Size: 192_345_678,
  GraphDriver: { Data: null, Name: 'overlay2' },
  RootFS: { Type: 'layers', Layers: [`sha256:${hex('3')}`] },
  Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
};

export const deleted = [{ Untagged: 'nginx:1.27' }, { Deleted: `sha256:${hex('5')}` }];

export const networks = [
  {
    Name: 'net10',
    Id: hex('2'),
    Created: '2026-01-02T03:04:05.678901234Z',
    Scope: 'local',
    Driver: 'bridge',
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: 'default', Options: {}, Config: [{ Subnet: '172.18.0.0/16', Gateway: '172.18.0.1' }] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: {},
    Options: { o: '1' },
    Labels: { a: '1' },
  },
  {
    Name: 'net2',
    Id: hex('3'),
    Created: '2026-01-02T03:04:05Z',
    Scope: 'local',
    Driver: 'host',
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {},
    Internal: true,
    Labels: {},
  },
];

export const volumes = [
  {
    CreatedAt: '2026-01-02T03:04:05Z',
    Driver: 'local',
    Labels: { a: '1' },
    Mountpoint: '/m/v10',
    Name: 'v10',
    Options: null,
    Scope: 'local',
  },
  {
    CreatedAt: '2026-01-02T03:04:05Z',
    Driver: 'local',
    Labels: null,
    Mountpoint: '/m/v2',
    Name: 'v2',
    Options: { type: 'tmpfs' },
    Scope: 'local',
  },
];

export const usage = {
  LayersSize: 987654321,
  Images: images.map((one, at) => ({ ...one, SharedSize: 10 * at, Containers: at })),
  Containers: containers.map((one, at) => ({ ...one, SizeRw: 1000 + at })),
  Volumes: volumes.map((one, at) => ({ ...one, UsageData: { Size: at === 0 ? -1 : 500 * at, RefCount: at % 2 } })),
  BuildCache: [],
};

export const version = {
  Platform: { Name: 'Fake Engine' },
  Components: [
    {
      Name: 'Engine',
      Version: '28.0.0',
      Details: {
        ApiVersion: '1.49',
        Arch: 'amd64',
        BuildTime: '2025-05-30T12:07:14.000000000+00:00',
        Experimental: 'false',
        GitCommit: 'abcdef0',
        GoVersion: 'go1.24',
        KernelVersion: '6.18',
        MinAPIVersion: '1.24',
        Os: 'linux',
      },
    },
    { Name: 'crun', Version: '1.8.1', Details: { GitCommit: 'x' } },
  ],
  Version: '28.0.0',
  ApiVersion: '1.49',
  MinAPIVersion: '1.24',
  GitCommit: 'abcdef0',
  GoVersion: 'go1.24',
  Os: 'linux',
  Arch: 'amd64',
  KernelVersion: '6.18',
  BuildTime: '2025-05-30T12:07:14.000000000+00:00',
};

export const info = {
  ID: 'id-of-engine',
  Containers: 3,
  ContainersRunning: 1,
  ContainersPaused: 0,
  ContainersStopped: 2,
  Images: 3,
  Driver: 'overlay2',
  DriverStatus: [
    ['Backing Filesystem', 'extfs'],
    ['Supports d_type', 'true'],
  ],
  Plugins: { Volume: ['local'], Network: ['bridge', 'host', 'null'], Authorization: null, Log: ['json-file', 'local'] },
  MemoryLimit: true,
  SwapLimit: true,
  CpuCfsPeriod: true,
  CpuCfsQuota: true,
  CPUShares: true,
  CPUSet: true,
  PidsLimit: true,
  IPv4Forwarding: true,
  Debug: true,
  NFd: 23,
  OomKillDisable: false,
  NGoroutines: 42,
  SystemTime: '2026-01-02T03:04:05Z',
  LoggingDriver: 'json-file',
  CgroupDriver: 'cgroupfs',
  CgroupVersion: '2',
  NEventsListener: 0,
  KernelVersion: '6.18',
  OperatingSystem: 'Debian',
  OSVersion: '13',
  OSType: 'linux',
  Architecture: 'x86_64',
  IndexServerAddress: 'https://index.docker.io/v1/',
  RegistryConfig: {
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8'],
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Mirrors: [], Secure: true, Official: true },
      'r:1': { Name: 'r:1', Mirrors: [], Secure: false, Official: false },
    },
    Mirrors: ['http://mirror/'],
  },
  NCPU: 2,
  MemTotal: 4_100_000_000,
  GenericResources: null,
  DockerRootDir: '/var/lib/docker',
  HttpProxy: '',
  HttpsProxy: '',
  NoProxy: '',
  Name: 'host',
  Labels: ['a=b'],
  ExperimentalBuild: false,
  ServerVersion: '28.0.0',
  Runtimes: { runc: { path: 'runc' } },
  DefaultRuntime: 'runc',
  Swarm: {
    NodeID: '',
    NodeAddr: '',
    LocalNodeState: 'inactive',
    ControlAvailable: false,
    Error: '',
    RemoteManagers: null,
  },
  LiveRestoreEnabled: false,
  Isolation: '',
  InitBinary: 'docker-init',
  ContainerdCommit: { ID: 'c1' },
  RuncCommit: { ID: 'r1' },
  InitCommit: { ID: 'i1' },
  SecurityOptions: ['name=seccomp,profile=builtin', 'name=cgroupns'],
  DefaultAddressPools: [{ Base: '172.17.0.0/12', Size: 20 }],
  CDISpecDirs: ['/etc/cdi'],
  Warnings: ['WARNING: No swap limit support'],
};

export const events = [
  '{"status":"start","id":"abc","from":"nginx","Type":"container","Action":"start","Actor":{"ID":"abc","Attributes":{"name":"web","image":"nginx"}},"scope":"local","time":1767323045,"timeNano":1767323045678901235}',
  '{"Type":"network","Action":"connect","Actor":{"ID":"n1","Attributes":{}},"scope":"local","time":1767323046,"timeNano":1767323046000000001}',
];

export const pullProgress = [
  { status: 'Pulling from library/busybox', id: 'latest' },
  { status: 'Pulling fs layer', progressDetail: {}, id: '0123456789ab' },
  { status: 'Downloading', progressDetail: { current: 1024, total: 2_000_000 }, progress: '[>  ]', id: '0123456789ab' },
  { status: 'Download complete', progressDetail: {}, id: '0123456789ab' },
  { status: 'Extracting', progressDetail: { current: 1, units: 's' }, progress: '1 s', id: '0123456789ab' },
  { status: 'Pull complete', progressDetail: {}, id: '0123456789ab' },
  { status: `Digest: sha256:${hex('7')}` },
  { status: 'Status: Downloaded newer image for busybox:latest' },
];

export const pushProgress = [
  { status: 'The push refers to repository [docker.io/me/app]' },
  { status: 'Preparing', progressDetail: {}, id: '0123456789ab' },
  { status: 'Waiting', progressDetail: {}, id: 'ba9876543210' },
  { status: 'Layer already exists', progressDetail: {}, id: 'ba9876543210' },
  { status: 'Pushing', progressDetail: { current: 1024, total: 2_000_000 }, progress: '[>  ]', id: '0123456789ab' },
  { status: 'Pushing', progressDetail: { current: 2_000_000, total: 2_000_000 }, progress: '[=>]', id: '0123456789ab' },
  { status: 'Pushed', progressDetail: {}, id: '0123456789ab' },
  { status: `1: digest: sha256:${hex('7')} size: 527` },
  { progressDetail: {}, aux: { Tag: '1', Digest: `sha256:${hex('7')}`, Size: 527 } },
];

export const loadProgress = [
  { status: 'Loading layer', progressDetail: { current: 512, total: 4096 }, progress: '[>  ]', id: '0123456789ab' },
  { status: 'Loading layer', progressDetail: { current: 4096, total: 4096 }, progress: '[=>]', id: '0123456789ab' },
  { stream: 'Loaded image: busybox:latest\n' },
];

export const top = {
  Titles: ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'],
  Processes: [
    ['root', '12345', '12300', '0', '10:00', '?', '00:00:00', 'nginx: master process'],
    ['nobody', '12400', '12345', '0', '10:00', '?', '00:00:00', 'nginx'],
  ],
};
