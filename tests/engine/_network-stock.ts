import assert from 'node:assert/strict';
import type { TestEngine } from '../support/engine.ts';
import { eventually } from '../support/wait.ts';

interface NetworkSeen {
  readonly Id: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Containers: Readonly<Record<string, object>>;
  readonly Status: { readonly IPAM: { readonly Subnets: Readonly<Record<string, { readonly IPsInUse: number }>> } };
}

interface ContainerSeen {
  readonly Id: string;
  readonly State: { readonly Running: boolean };
  readonly NetworkSettings: {
    readonly Ports: Readonly<Record<string, readonly { readonly HostPort: string }[] | null>>;
    readonly Networks: Readonly<
      Record<string, { readonly NetworkID: string; readonly DriverOpts: Readonly<Record<string, string>> | null }>
    >;
  };
}

interface LinkSeen {
  readonly ifname: string;
  readonly master?: string;
  readonly linkinfo?: { readonly info_kind?: string };
}

/** What the engine says of networks and running containers. */
async function word(engine: TestEngine): Promise<{ networks: NetworkSeen[]; running: ContainerSeen[] }> {
  const get = async <T>(path: string): Promise<T> => {
    const answer = await engine.api('GET', path);
    assert.equal(answer.status, 200, `${path}: ${answer.text}`);
    return answer.json<T>();
  };
  const networks = await get<{ Id: string }[]>('/networks');
  const containers = await get<{ Id: string }[]>('/containers/json');
  return {
    networks: await Promise.all(networks.map(({ Id }) => get<NetworkSeen>(`/networks/${Id}`))),
    running: await Promise.all(containers.map(({ Id }) => get<ContainerSeen>(`/containers/${Id}/json`))),
  };
}

/** What is on the host. */
async function kernel(engine: TestEngine) {
  const inside = async (...command: string[]): Promise<string> => {
    const { code, stdout, stderr } = await engine.inside(command);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const links = JSON.parse(await inside('ip', '-d', '-j', 'link')) as LinkSeen[];
  const rules = await inside('nft', 'list', 'ruleset');
  const kind = (name: string) => links.filter(({ linkinfo }) => linkinfo?.info_kind === name);
  const published = /map published \{[^}]*?elements = \{([^}]*)\}/s.exec(rules)?.[1] ?? '';
  return {
    bridges: kind('bridge').map(({ ifname }) => ifname),
    cables: kind('veth'),
    helpers: kind('ifb').map(({ ifname }) => ifname),
    rules,
    ports: [...published.matchAll(/(?:tcp|udp) \. (\d+) :/g)].map(([, port = '']) => port),
  };
}

/**
 * Compares what the engine says with what is on the host: bridges, cables, helpers of bandwidth limits, published ports,
 * addresses in use. Custom bridges of the engine are told by their names. @throws AssertionError when they differ for long
 */
export async function checkNetworkStock(engine: TestEngine): Promise<void> {
  let last: unknown;
  const agree = async (): Promise<boolean> => {
    try {
      await compare(engine);
      return true;
    } catch (error) {
      last = error;
      return false;
    }
  };
  await eventually('networks and host agree', agree, { timeout: 10_000, every: 100 }).catch((error: unknown) => {
    throw last ?? error;
  });
}

async function compare(engine: TestEngine): Promise<void> {
  const { networks, running } = await word(engine);
  const host = await kernel(engine);
  const custom = networks.filter(({ Driver, Name }) => Driver === 'bridge' && Name !== 'bridge');
  const own = host.bridges.filter((name) => /^g[0-9a-f]{6}-/.test(name));
  assert.deepEqual(own.map((name) => name.slice(8)).toSorted(), custom.map(({ Id }) => Id.slice(0, 7)).toSorted());
  for (const { Id, Name, Containers, Status } of custom) {
    const bridge = own.find((name) => name.slice(8) === Id.slice(0, 7)) ?? '';
    const on = running.filter(({ NetworkSettings }) =>
      Object.values(NetworkSettings.Networks).some(({ NetworkID }) => NetworkID === Id),
    );
    assert.deepEqual(Object.keys(Containers).toSorted(), on.map((one) => one.Id).toSorted(), `members of ${Name}`);
    const cables = host.cables.filter(({ master }) => master === bridge);
    assert.equal(cables.length, on.length, `cables of ${Name}`);
    assert.ok(host.rules.includes(`oifname "${bridge}"`), `rules of ${Name}`);
    for (const [subnet, { IPsInUse }] of Object.entries(Status.IPAM.Subnets)) {
      // Those of network, gateway and, in IPv4, broadcast.
      const reserved = subnet.includes(':') ? [1, 2] : [3];
      assert.ok(reserved.includes(IPsInUse - on.length), `${Name} ${subnet}: ${IPsInUse} in use by ${on.length}`);
    }
  }
  assert.equal(host.cables.filter(({ master }) => master === undefined).length, 0, 'cables without a bridge');
  // `none` is said by an endpoint, and no limit.
  const isRate = (out: string | undefined) => out !== undefined && out !== 'none';
  const limited = running.flatMap(({ NetworkSettings }) =>
    Object.values(NetworkSettings.Networks).filter(({ DriverOpts }) => isRate(DriverOpts?.['gantry.rate.out'])),
  );
  assert.equal(host.helpers.length, limited.length, `helpers: ${host.helpers.join(' ')}`);
  const ports = running.flatMap(({ NetworkSettings }) =>
    Object.values(NetworkSettings.Ports).flatMap((bindings) => (bindings ?? []).map(({ HostPort }) => HostPort)),
  );
  assert.deepEqual([...new Set(host.ports)].toSorted(), [...new Set(ports)].toSorted(), 'published ports');
}
