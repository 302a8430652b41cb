import type { RunOptions } from './_compare.ts';

export type Case = RunOptions & { readonly args: readonly string[]; readonly requests?: boolean };

const words = (lines: string): Case[] =>
  lines
    .trim()
    .split('\n')
    .map((line) => ({
      args: line
        .trim()
        .split(' ')
        .map((word) => word.replaceAll('\\u0020', ' ')),
    }));
const one = (...args: string[]): Case => ({ args });

export const cases: readonly Case[] = [
  ...words(`
    ps
    ps -a
    ps -aq --no-trunc
    ps -s
    ps --no-trunc
    ps -n 2
    ps -l
    ps --format json
    ps --format {{.ID}}:{{.Names}}:{{.Ports}}:{{.Size}}
    ps --format {{.Foo}}
    ps --format {{
    ps --format table\\u0020{{.Names}}
    ps -f status=running -f label=a -f status=exited
    ps -f x
    ps x
    ps --nope
    ps -Z
    ps -n x
    container ls -q
    container foo
    foo
    images
    images -q
    images --digests
    images --no-trunc
    images nginx
    images ls
    images rm
    image ls ls
    images -q ls
    images -a --filter dangling=true
    images --tree -q
    images --tree --no-trunc
    images --tree --digests
    images --tree --format json
    rmi --platform linux/arm64 --platform linux/amd64 -f --no-prune nginx
    image ls --format json
    history nginx
    history -q nginx
    history --no-trunc nginx
    history -H=false nginx
    history --format json nginx
    history --format {{.ID}}:{{.CreatedAt}}:{{.Size}} nginx
    history missing
    image history
    image prune -f
    image prune -af --filter label=x --filter until=1h
    image prune x
    volume ls
    volume ls -q
    volume ls --format json
    volume create
    volume create -d local -o type=tmpfs --label a=b made
    volume rm v10 missing
    volume rm -f missing
    volume prune -f
    volume prune -af --filter label=x
    volume inspect v10
    volume ls --cluster
    volume ls -f dangling=true -f label=a
    volume ls -f x
    volume update v10
    volume update
    volume update missing
    volume update --availability drain v10
    volume rm
    volume create --name a b
    volume create --label =x
    volume inspect missing
    volume inspect --format {{.Mountpoint}} v10
    network ls
    network ls -q --no-trunc
    network ls --format json
    network inspect net10
    network inspect missing
    network create one
    network create -d macvlan -o parent=eth0 -o a --label a=b --label c --internal --attachable two
    network create --ipv6 --ipv4=false three
    network create --subnet fd00:1::/64 --gateway fd00:1::1 --ip-range fd00:1::/96 --ipv6 four
    network create --subnet 10.1.0.0/16 --aux-address a=10.1.0.9 --ipam-opt x=y --ipam-driver z five
    network create --config-only --scope local six
    network create --config-from six --ingress seven
    network create --subnet 10.1.0.0/16 --ip-range 10.2.0.0/24 x
    network create --subnet 10.1.0.0/16 --gateway 10.2.0.1 x
    network create --subnet 10.1.0.0/16 --aux-address a=10.2.0.1 x
    network create --subnet 10.1.0.0/16 --subnet 10.1.2.0/24 x
    network create --subnet 10.1.0.0/16 --subnet 10.2.0.0/16 --gateway 10.1.0.1 --gateway 10.1.0.2 x
    network create --gateway 10.1.0.1 x
    network create --subnet foo --subnet 10.1.0.0/16 x
    network create --label =x x
    network create taken
    network create
    network create a b
    network connect net10 web
    network connect --alias a,b --alias c --ip 10.1.2.3 --ip6 fd00::5 --link x:y --gw-priority -3 net10 web
    network connect --link-local-ip 169.254.1.1,fe80::1 --driver-opt a=b --driver-opt c=d net10 web
    network connect --ip x net10 web
    network connect --driver-opt a net10 web
    network connect --link a:b:c net10 web
    network connect missing web
    network connect net10
    network disconnect net10 web
    network disconnect -f net10 web
    network disconnect missing web
    network disconnect net10
    network rm
    network prune -f
    network prune -f --filter until=1h --filter label=x
    network prune -f --filter x
    pause a b missing
    unpause a missing
    stop a b missing
    stop -t 5 -s INT a
    rename web other
    rename web
    rename missing other
    rename web taken
    update -m 64m --memory-swap -1 web a
    update --cpus 1.5 --pids-limit -1 --restart on-failure:3 web missing
    update -c 5 --cpu-period 1000 --cpu-quota 2000 --cpuset-cpus 0 --cpuset-mems 0 --blkio-weight 100 warn
    update --cpu-rt-period 5 --cpu-rt-runtime 4 --memory-reservation 7m web
    update web
    update
    update --restart :3 web
    update --restart x:y web
    update -m x web
    update --nope web
    top web
    top web -o pid,cmd
    top missing
    top web aux
    system df
    system df -v
    system df --format json
    system df --format {{.Type}}
    system df --nope
    system df x
    system prune -f
    system prune -af --volumes --filter label=a
    system prune -f --volumes --filter until=1h
    container prune -f
    container prune -f --filter until=1h --filter label=a
    container prune x
    restart --timeout 3 a
    kill a
    kill -s HUP a missing
    rm a missing
    rm -f -v missing a
    rm
    wait a b7 missing
    port web
    port web 80
    port web 81
    port web x
    port web 80/udp
    port a b c
    logs web
    logs --tail 5 -t --since 2026-01-02T03:04:05Z web
    logs --since 1767323045 web
    logs missing
    tag a
    tag nginx:1.27 me/nginx
    tag missing x:y
    tag nginx A:b
    rmi nginx:1.27
    rmi missing nginx
    rmi -f missing
    pull busybox
    pull -q busybox:1
    pull missing
    pull broken
    pull Busy
    pull -a busybox:1
    pull -a busybox
    pull --platform linux/arm64 busybox
    pull busybox@sha256:5555555555555555555555555555555555555555555555555555555555555555
    pull
    push me/app:1
    push me/app
    push -q me/app:1
    push -a me/app
    push -a me/app:1
    push me/missing:1
    push me/broken:1
    push Me/App
    push
    save nginx busybox
    save --platform linux/arm64 nginx
    save
    load -i /nonexistent/file
    import
    import /nonexistent/file
    import http://example.com/a.tar me:1
    import - Me:1
    tag
    image tag nginx me/nginx:1
    image rm -f nginx busybox
    image pull -q busybox
    image push -q me/app:1
    image history nginx
    image foo
    history
    start a missing
    start -a web
    exec web ls
    exec -e A=1 -e HOME -w /tmp -u 1:2 --privileged web sh -c x
    exec -d web ls
    exec missing ls
    exec web
    exec -it web ls
    inspect web
    inspect --type image nginx
    inspect --type foo x
    inspect --type= x
    inspect --format json web
    inspect -f {{.State.Status}}:{{.Config.Labels}}:{{.NetworkSettings.Ports}} web
    inspect -f {{.State}} web
    inspect -f {{.Gantry.note}} web
    inspect -f {{.Nope}} web
    inspect -f {{.Config.Labels.nope}}{{.HostConfig.RestartPolicy}}{{.Mounts}} web
    inspect -f {{.HostConfig.Memory}} web
    inspect -f {{json\\u0020.Config}} web
    inspect -f {{ web
    inspect --size nginx --type image
    image inspect nginx
    image inspect --platform linux/arm64 nginx
    history --platform linux nginx
    image inspect -f {{.Config.Cmd}}{{.RootFS}} nginx
    container inspect -s web
    events --since 1 --until 2
    events --format json
    events --format {{.Type}}={{.Actor.Attributes.name}}@{{.TimeNano}}
    events --format {{.Nope}}
    stats --no-stream web
    stats --no-stream --format {{.CPUPerc}}|{{.MemUsage}}|{{.NetIO}} web
    attach --no-stdin web
    attach stopped
    create busybox
    create --name x busybox echo hi
    create missing:tag
    create --pull never missing
    run busybox
    run --rm busybox echo hi
    run --rm exit7
    run nostart
    run --rm nostart
    run missing
    run --pull always busybox
    run absent
    run warn
    run
    run --foo x
    run -a foo x
    run -d -a stdout x
    run -it x
  `),
  { args: ['exec', '-i', 'web', 'cat'], input: 'typed\n' },
  { args: ['start', '-ai', 'web'], input: '' },
  { args: ['run', '-i', 'busybox', 'cat'], input: 'typed\n' },
  { args: ['attach', 'web'], input: 'typed\n', requests: false },
  // docker asks for objects of swarms and for plugins too, and waits for a container that it does not follow.
  { args: ['inspect', 'missing'], requests: false },
  { args: ['inspect', 'web', 'missing'], requests: false },
  { args: ['run', '-d', 'busybox'], requests: false },
  // docker asks first whether a network is the mesh of a swarm.
  { args: ['network', 'rm', 'net10', 'missing', 'other'], requests: false },
  { args: ['network', 'rm', '-f', 'missing', 'net10'], requests: false },
  { args: ['network', 'remove', 'net10'], requests: false },
  { args: ['load'], input: 'not really a tar' },
  { args: ['load', '-q', '--platform', 'linux/arm64'], input: 'not really a tar' },
  {
    args: ['import', '-m', 'said', '-c', 'CMD a', '--change', 'ENV A=1', '--platform', 'linux/arm64', '-'],
    input: 'not really a tar',
  },
  { args: ['import', '-', 'me:1'], input: 'not really a tar' },
  one('ps', '--format', 'table {{.Names}}\t{{.Status}}\t{{.Label "a"}}'),
  one('ps', '--format', 'table {{.Names | upper}} {{.Image}}\\t{{json .Ports}}'),
  one('ps', '--format', '{{json .}}'),
  one('images', '--format', '{{.Repository}}:{{.Tag}} {{.Digest}}'),
  one('inspect', '-f', '{{range .Config.Env}}{{println .}}{{end}}', 'web'),
  one('inspect', '-f', '{{index .NetworkSettings.Networks "bridge"}}', 'nginx'),
  one('inspect', '-f', '{{range $p, $c := .NetworkSettings.Ports}}{{$p}} {{(index $c 0).HostPort}}{{end}}', 'web'),
];

const runFlags = `
  --add-host a:1.2.3.4 --add-host b=host-gateway
  --annotation a=b
  -a stdout
  --blkio-weight 100 --blkio-weight-device /dev/sda:200
  --cap-add NET_ADMIN --cap-drop ALL
  --cap-add chown --cap-drop CAP_CHOWN --cap-drop net_raw --cap-add all
  --cgroup-parent /x --cgroupns private
  -c 512 --cpus 1.5 --cpu-period 100000 --cpu-quota 50000 --cpuset-cpus 0-1 --cpuset-mems 0
  --cpu-rt-period 1000 --cpu-rt-runtime 500
  --device /dev/null --device /dev/zero:/dev/x:r --device vendor.com/class=name
  --device-cgroup-rule c|1:3|rwm
  --device-read-bps /dev/sda:1mb --device-write-iops /dev/sda:10
  --dns 1.1.1.1 --dns-option ndots:2 --dns-search example.com
  --domainname d -h host
  --entrypoint sh
  --entrypoint=
  -e A=1 -e B= -e C
  --expose 80 --expose 90-92/udp
  --gpus all
  --gpus count=2,driver=nvidia
  --gpus device=0
  --group-add 5
  --health-cmd true --health-interval 5s --health-retries 3 --health-timeout 1m30s --health-start-period 2s
  --no-healthcheck
  --init
  --init=false
  --ip 1.2.3.4
  --ip6 2001:db8::33
  --ipc host --pid host --uts host --userns host
  -l a=b -l c
  --link x:y
  --log-driver json-file --log-opt max-size=1m
  --mac-address 92:d0:c6:0a:29:33
  -m 64m --memory-reservation 32m --memory-swap -1 --memory-swappiness 10
  --mount type=bind,src=/a,dst=/b,ro
  --mount type=volume,src=v,dst=/b,volume-nocopy,volume-label=a=b,volume-driver=local,volume-opt=type=nfs
  --mount type=tmpfs,dst=/t,tmpfs-size=64m,tmpfs-mode=1777
  --mount type=bind,src=/a,dst=/b,bind-propagation=rshared,bind-recursive=disabled
  --mount type=image,src=busybox,dst=/i,image-subpath=etc
  --mount x
  --mount type=bind
  --mount type=tmpfs,dst=/t,volume-nocopy
  --network host
  --network mynet --network-alias al --ip 10.0.0.5
  --network name=n1,alias=a,ip=10.0.0.5,driver-opt=x=y,gw-priority=3 --network n2
  --network host --network n1
  --network-alias al
  --network container:web
  --oom-kill-disable --oom-score-adj 100
  --pids-limit 50
  --platform linux/amd64
  --privileged --read-only
  -p 80
  -p 8080:80 -p 127.0.0.1:9000-9002:9000-9002/udp -p 8000-8010:90
  -p [::1]:80:80
  -p published=8080,target=80
  -P
  -p x:y
  -p 70000:80
  -p 1:2:3:4
  -p 80-82:80-81
  -p 80/foo
  --expose x
  --restart on-failure:3
  --restart always
  --restart :3
  --rm --restart always
  --runtime crun
  --security-opt no-new-privileges --security-opt seccomp=unconfined --security-opt label:disable
  --security-opt systempaths=unconfined
  --security-opt x
  --shm-size 128m
  --stop-signal INT --stop-timeout 3
  --storage-opt size=10G
  --sysctl net.core.somaxconn=1
  --sysctl x=1
  --tmpfs /run:size=64m --tmpfs /tmp
  -t
  --ulimit nofile=10:20 --ulimit nproc=5
  --ulimit nofile=20:10
  --ulimit foo=1
  -u 1000:1000 -w /work
  -v /a:/b -v /anonymous
  -v v:/c:ro
  -v a::b
  -v a:b:c:d
  -v /a:/b:ro:z
  -v /a:/b:c:d
  --volume-driver local --volumes-from x:ro
  --cpus x
  --cpus 0.0000000001
  --blkio-weight 70000
  --memory xx
  --health-interval 5
  --pid foo
  --mac-address x
  --memory-swappiness 200
  --dns 127.0.0.1
  --link-local-ip 169.254.1.1
  --label-file /nonexistent/labels
  --env-file /nonexistent/env
`;

/** Flags of `create`: the requests that they come to are compared. A bar stands for a blank. */
export const createCases: readonly Case[] = runFlags
  .trim()
  .split('\n')
  .map((line) => ({
    args: [
      'create',
      ...line
        .trim()
        .split(' ')
        .map((word) => word.replaceAll('|', ' ')),
      'busybox',
      'cmd',
      '-x',
    ],
  }));
