/** Many clients change networks and containers at random while the engine is killed: what is left is what it says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { checkNetworkStock } from './_network-stock.ts';
import { numbers } from './_numbers.ts';
import { busybox } from './_docker.ts';

const isLong = process.env['GANTRY_TEST_LONG'] === '1';
const size = isLong ? { operations: 5000, kills: 15 } : { operations: 1000, kills: 3 };
const clients = 20;
const seed = Number(process.env['GANTRY_TEST_SEED'] ?? 5);

engineSuite('a storm of clients', { skip: isOracle() && 'its own' }, (engine) => {
  const names = Array.from({ length: 14 }, (_, at) => `c${at}`);
  const networks = ['n0', 'n1', 'n2', 'n3'];

  test(`${size.operations} operations, ${size.kills} kills, seed ${seed}`, { timeout: 900_000 }, async () => {
    const next = numbers(seed);
    const pick = <T>(list: readonly T[]): T => list[next(list.length)] as T;
    const faults: string[] = [];
    const seen = new Map<string, number>();
    /** Open while the engine runs. */
    let gate: Promise<unknown> = Promise.resolve();
    let done = 0;

    const request = async (method: string, path: string, body?: object): Promise<number> => {
      // A killed engine answers nothing.
      const answer = await engine()
        .api(method, path, body)
        .catch(() => undefined);
      const status = answer?.status ?? 0;
      const kind = `${method} ${path.replaceAll(/(?<=[/=])([cn]\d+|[0-9a-f]{64})/g, 'X')} ${status}`;
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
      if (status >= 500) faults.push(`${method} ${path}: ${status} ${answer?.text}`);
      return status;
    };
    const create = (name: string) => {
      const rate = next(3) === 0 ? { DriverOpts: { 'gantry.rate.out': '80mbit', 'gantry.rate.in': '90mbit' } } : {};
      const network = pick([...networks, 'bridge']);
      return request('POST', `/containers/create?name=${name}`, {
        Image: busybox,
        Cmd: ['sleep', '10000'],
        ExposedPorts: { '80/tcp': {} },
        HostConfig: { NetworkMode: network, PublishAllPorts: next(2) === 0, AutoRemove: next(6) === 0 },
        NetworkingConfig: {
          EndpointsConfig: { [network]: { Aliases: network === 'bridge' ? null : ['web'], ...rate } },
        },
      });
    };
    const run = async (name: string): Promise<void> => {
      await create(name);
      await request('POST', `/containers/${name}/start`);
    };
    const operations: readonly ((name: string) => Promise<unknown>)[] = [
      create,
      run,
      run,
      run,
      run,
      (name) => request('POST', `/containers/${name}/start`),
      (name) => request('POST', `/containers/${name}/kill`),
      (name) => request('DELETE', `/containers/${name}?force=1`),
      (name) =>
        request('POST', `/networks/${pick(networks)}/connect`, {
          Container: name,
          EndpointConfig: { GwPriority: next(9) },
        }),
      (name) => request('POST', `/networks/${pick(networks)}/connect`, { Container: name }),
      (name) => request('POST', `/networks/${pick(networks)}/disconnect`, { Container: name }),
      (name) => request('POST', `/networks/${pick(networks)}/disconnect`, { Container: name, Force: true }),
      (name) =>
        request('POST', `/containers/${name}/update`, { NetworkRates: [{ Out: pick(['20mbit', 'none', 'default']) }] }),
      async () => {
        const network = pick(networks);
        await request('DELETE', `/networks/${network}`);
        await request('POST', '/networks/create', { Name: network });
      },
    ];
    for (const Name of networks) assert.equal(await request('POST', '/networks/create', { Name }), 201);
    const share = Math.floor(size.operations / (size.kills + 1));
    const restart = async (): Promise<void> => {
      await engine().stop('SIGKILL');
      await engine().start();
    };
    let kills = 0;
    const client = async (): Promise<void> => {
      while (done < size.operations) {
        await gate;
        done++;
        if (done % share === 0 && kills < size.kills) {
          kills++;
          gate = restart();
        } else await pick(operations)(pick(names));
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    await gate;
    assert.equal(kills, size.kills);
    assert.deepEqual(faults, [], 'no request failed for a reason of the engine');
    await checkNetworkStock(engine());
    const all = (await engine().api('GET', '/containers/json?all=1')).json<{ Id: string }[]>();
    await Promise.all(all.map(({ Id }) => request('DELETE', `/containers/${Id}?force=1`)));
    await checkNetworkStock(engine());
    // The storm did something of everything.
    const count = (pattern: RegExp) =>
      [...seen].filter(([key]) => pattern.test(key)).reduce((sum, [, n]) => sum + n, 0);
    for (const pattern of [
      /start 204/,
      /kill 204/,
      /DELETE \/containers\/X\?force=1 204/,
      /\/connect 200/,
      /disconnect 200/,
    ]) {
      assert.ok(count(pattern) > 2, `${pattern}: ${JSON.stringify([...seen])}`);
    }
  });
});
