/** The engine is killed in the midst of changes to networks: the next one knows of all that is there, and nothing else is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';
import { numbers } from './_numbers.ts';

engineSuite(
  'networks of an engine that is killed',
  { skip: process.env['GANTRY_TEST_ORACLE'] === 'dockerd' && 'its own' },
  (engine) => {
    const docker = dockerOf(engine);
    const sleeper = [busybox, 'sleep', '1000'];
    const api = (method: string, path: string, body?: object) =>
      engine()
        .api(method, path, body)
        .catch(() => undefined);

    /** What is on the host is what the engine says. */
    async function checkHost(): Promise<void> {
      const networks = (await engine().api('GET', '/networks')).json<{ Id: string; Name: string; Driver: string }[]>();
      const custom = networks.filter(({ Driver, Name }) => Driver === 'bridge' && Name !== 'bridge');
      const links = (await engine().inside(['ip', '-o', 'link'])).stdout
        .split('\n')
        .flatMap((line) => line.split(' ')[1] ?? []);
      const bridges = links.map((name) => name.replace(/[:@].*/, '')).filter((name) => /^g[0-9a-f]{6}-/.test(name));
      assert.deepEqual(
        bridges.map((name) => name.slice(8)).toSorted(),
        custom.map(({ Id }) => Id.slice(0, 7)).toSorted(),
      );
      const rules = (await engine().inside(['nft', 'list', 'ruleset'])).stdout;
      for (const bridge of bridges) assert.ok(rules.includes(`iifname "${bridge}"`), bridge);
      for (const { Id } of custom) {
        const { Containers } = (await engine().api('GET', `/networks/${Id}`)).json<{
          Containers: Record<string, object>;
        }>();
        for (const container of Object.keys(Containers)) {
          const { status } = await engine().api('GET', `/containers/${container}/json`);
          assert.equal(status, 200, 'whoever is on a network exists');
        }
      }
    }

    /** Interfaces of a container, by its own word and by the engine's. */
    async function checkContainer(name: string): Promise<void> {
      const networks = JSON.parse(await docker.field(name, '{{json .NetworkSettings.Networks}}')) as Record<
        string,
        { IPAddress: string }
      >;
      const shown = await docker.ok('exec', name, 'ip', '-o', '-4', 'address');
      const inside = [...shown.matchAll(/inet (\S+)\//g)].flatMap(([, address = '']) =>
        address === '127.0.0.1' ? [] : [address],
      );
      const known = Object.values(networks).map(({ IPAddress }) => IPAddress);
      assert.deepEqual(new Set(inside), new Set(known), shown);
    }

    test('while networks come and go', async () => {
      const next = numbers(7);
      for (let round = 0; round < 6; round++) {
        const work = Array.from({ length: 8 }, async (_, at) => {
          const name = `net-${round}-${at}`;
          await api('POST', '/networks/create', { Name: name, EnableIPv6: at % 2 === 0, Internal: at % 3 === 0 });
          await api('DELETE', `/networks/${name}`);
        });
        await new Promise((resolve) => setTimeout(resolve, 5 + next(120)));
        await engine().stop('SIGKILL');
        await Promise.all(work);
        await engine().start();
        await checkHost();
      }
    });

    test('while containers come and go', async () => {
      const next = numbers(11);
      for (const name of ['a', 'b', 'c']) await docker.ok('network', 'create', name);
      for (const name of ['one', 'two', 'three']) {
        await docker.ok('run', '-d', `--name=${name}`, '--network=a', '-p', '80', ...sleeper);
      }
      for (let round = 0; round < 6; round++) {
        const work = ['one', 'two', 'three'].map(async (Container) => {
          for (let step = 0; step < 6; step++) {
            const network = ['a', 'b', 'c'][next(3)] ?? 'a';
            const verb = next(2) === 0 ? 'connect' : 'disconnect';
            await api('POST', `/networks/${network}/${verb}`, { Container, EndpointConfig: { GwPriority: next(5) } });
          }
        });
        const started = docker('run', '--rm', '--network=b', busybox, 'true');
        await new Promise((resolve) => setTimeout(resolve, 5 + next(150)));
        await engine().stop('SIGKILL');
        await Promise.all([...work, started]);
        await engine().start();
        await checkHost();
        for (const name of ['one', 'two', 'three']) await checkContainer(name);
      }
      await eventually(
        'nobody is left but the three',
        async () => (await docker.ok('ps', '-q')).split('\n').length === 3,
      );
    });
  },
);
