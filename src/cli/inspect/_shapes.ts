import { struct } from './_typed.ts';
import type { Shape } from './_typed.ts';

const map: Shape = { map: 'any' };
const emptyStructs: Shape = { map: struct('struct {}', '@none', {}) };
const options = (fields: string) => struct('struct', fields);

const health = struct('container.Health', 'Status #FailingStreak +Log', {
  Log: { list: struct('container.HealthcheckResult', 'Start End #ExitCode Output') },
});

const state = struct(
  'container.State',
  'Status ?Running ?Paused ?Restarting ?OOMKilled ?Dead #Pid #ExitCode Error StartedAt FinishedAt @Health',
  { Health: health },
);

const portMap: Shape = { map: { list: struct('nat.PortBinding', 'HostIp HostPort') } };
const rates: Shape = { list: options('Path #Rate') };

const mountSpec = struct(
  'mount.Mount',
  'Type Source Target ?ReadOnly Consistency @BindOptions @VolumeOptions @ImageOptions @TmpfsOptions @ClusterOptions',
  {
    BindOptions: struct(
      'mount.BindOptions',
      'Propagation ?NonRecursive ?CreateMountpoint ?ReadOnlyNonRecursive ?ReadOnlyForceRecursive',
    ),
    VolumeOptions: struct('mount.VolumeOptions', '?NoCopy @Labels Subpath @DriverConfig', {
      Labels: map,
      DriverConfig: struct('mount.Driver', 'Name @Options', { Options: map }),
    }),
    ImageOptions: options('Subpath'),
    TmpfsOptions: struct('mount.TmpfsOptions', '#SizeBytes #Mode @Options'),
  },
);

const hostConfig = struct(
  'container.HostConfig',
  `+Binds ContainerIDFile @LogConfig NetworkMode @PortBindings @RestartPolicy ?AutoRemove VolumeDriver +VolumesFrom
   +ConsoleSize @Annotations +CapAdd +CapDrop CgroupnsMode +Dns +DnsOptions +DnsSearch +ExtraHosts +GroupAdd IpcMode Cgroup
   +Links #OomScoreAdj PidMode ?Privileged ?PublishAllPorts ?ReadonlyRootfs +SecurityOpt @StorageOpt @Tmpfs UTSMode
   UsernsMode #ShmSize @Sysctls Runtime Isolation #CpuShares #Memory #NanoCpus CgroupParent #BlkioWeight
   @BlkioWeightDevice @BlkioDeviceReadBps @BlkioDeviceWriteBps @BlkioDeviceReadIOps @BlkioDeviceWriteIOps #CpuPeriod
   #CpuQuota #CpuRealtimePeriod #CpuRealtimeRuntime CpusetCpus CpusetMems @Devices +DeviceCgroupRules @DeviceRequests
   #KernelMemory #KernelMemoryTCP #MemoryReservation #MemorySwap @MemorySwappiness @OomKillDisable @PidsLimit @Ulimits
   #CpuCount #CpuPercent #IOMaximumIOps #IOMaximumBandwidth @Mounts +MaskedPaths +ReadonlyPaths @Init`.replace(
    /\s+/g,
    ' ',
  ),
  {
    LogConfig: struct('container.LogConfig', 'Type @Config', { Config: map }),
    PortBindings: portMap,
    RestartPolicy: struct('container.RestartPolicy', 'Name #MaximumRetryCount'),
    Annotations: map,
    StorageOpt: map,
    Tmpfs: map,
    Sysctls: map,
    BlkioWeightDevice: { list: options('Path #Weight') },
    BlkioDeviceReadBps: rates,
    BlkioDeviceWriteBps: rates,
    BlkioDeviceReadIOps: rates,
    BlkioDeviceWriteIOps: rates,
    Devices: { list: options('PathOnHost PathInContainer CgroupPermissions') },
    DeviceRequests: {
      list: struct('container.DeviceRequest', 'Driver #Count +DeviceIDs +Capabilities @Options', { Options: map }),
    },
    Ulimits: { list: options('Name #Hard #Soft') },
    Mounts: { list: mountSpec },
  },
);

const endpoint = struct(
  'network.EndpointSettings',
  `@IPAMConfig +Links +Aliases MacAddress @DriverOpts #GwPriority NetworkID EndpointID Gateway IPAddress #IPPrefixLen
   IPv6Gateway GlobalIPv6Address #GlobalIPv6PrefixLen +DNSNames`.replace(/\s+/g, ' '),
  { IPAMConfig: options('IPv4Address IPv6Address +LinkLocalIPs'), DriverOpts: map },
);

const networkSettings = struct(
  'container.NetworkSettings',
  `Bridge SandboxID SandboxKey @Ports ?HairpinMode LinkLocalIPv6Address #LinkLocalIPv6PrefixLen +SecondaryIPAddresses
   +SecondaryIPv6Addresses EndpointID Gateway GlobalIPv6Address #GlobalIPv6PrefixLen IPAddress #IPPrefixLen IPv6Gateway
   MacAddress @Networks`.replace(/\s+/g, ' '),
  { Ports: portMap, Networks: { map: endpoint } },
);

const healthcheck = options('+Test #Interval #Timeout #StartPeriod #StartInterval #Retries');
const graphDriver = struct('storage.DriverData', '@Data Name', { Data: map });

/** `GET /containers/{id}/json`. */
export const containerShape = struct(
  'container.InspectResponse',
  `Id ID Created Path +Args @State Image ResolvConfPath HostnamePath HostsPath LogPath Name #RestartCount Driver Platform
   MountLabel ProcessLabel AppArmorProfile +ExecIDs @HostConfig @GraphDriver @SizeRw @SizeRootFs @Mounts @Config
   @NetworkSettings @ImageManifestDescriptor`.replace(/\s+/g, ' '),
  {
    State: state,
    HostConfig: hostConfig,
    GraphDriver: graphDriver,
    Mounts: { list: struct('container.MountPoint', 'Type Name Source Destination Driver Mode ?RW Propagation') },
    Config: struct(
      'container.Config',
      `Hostname Domainname User ?AttachStdin ?AttachStdout ?AttachStderr @ExposedPorts ?Tty ?OpenStdin ?StdinOnce +Env +Cmd
       @Healthcheck ?ArgsEscaped Image @Volumes WorkingDir +Entrypoint ?NetworkDisabled MacAddress +OnBuild @Labels
       StopSignal @StopTimeout +Shell`.replace(/\s+/g, ' '),
      { ExposedPorts: emptyStructs, Volumes: emptyStructs, Labels: map, Healthcheck: healthcheck },
    ),
    NetworkSettings: networkSettings,
  },
);

/** `GET /images/{name}/json`. */
export const imageShape = struct(
  'image.InspectResponse',
  `Id ID +RepoTags +RepoDigests Parent Comment Created DockerVersion Author @Config Architecture Variant Os OsVersion #Size
   #VirtualSize @GraphDriver @RootFS @Metadata @Descriptor +Manifests @Identity`.replace(/\s+/g, ' '),
  {
    Config: struct(
      'dockerspec.DockerOCIImageConfig',
      `User @ExposedPorts +Env +Entrypoint +Cmd @Volumes WorkingDir @Labels StopSignal ?ArgsEscaped @Healthcheck +OnBuild
       +Shell`.replace(/\s+/g, ' '),
      { ExposedPorts: emptyStructs, Volumes: emptyStructs, Labels: map, Healthcheck: healthcheck },
    ),
    GraphDriver: graphDriver,
    RootFS: options('Type +Layers'),
    Metadata: options('LastTagTime'),
  },
);

/** `GET /networks/{id}`. */
export const networkShape = struct(
  'network.Inspect',
  `Name Id ID Created Scope Driver ?EnableIPv4 ?EnableIPv6 @IPAM ?Internal ?Attachable ?Ingress @ConfigFrom ?ConfigOnly
   @Containers @Options @Labels +Peers @Services`.replace(/\s+/g, ' '),
  {
    IPAM: struct('network.IPAM', 'Driver @Options @Config', {
      Options: map,
      Config: {
        list: struct('network.IPAMConfig', 'Subnet IPRange Gateway @AuxiliaryAddresses', { AuxiliaryAddresses: map }),
      },
    }),
    ConfigFrom: options('Network'),
    Containers: { map: struct('network.EndpointResource', 'Name EndpointID MacAddress IPv4Address IPv6Address') },
    Options: map,
    Labels: map,
  },
);

/** `GET /volumes/{name}`. */
export const volumeShape = struct(
  'volume.Volume',
  '@ClusterVolume CreatedAt Driver @Labels Mountpoint Name @Options Scope @Status @UsageData',
  { Labels: map, Options: map, Status: map, UsageData: options('#RefCount #Size') },
);
