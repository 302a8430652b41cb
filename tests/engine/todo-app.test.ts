/**
 * The application of Docker's getting started: a database on a network of its own, found by its alias, its data in a named
 * volume. MariaDB stands in for MySQL; the image takes longer to make than other tests run.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onlyLong } from '../support/skip.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const image = 'gantry-test/todo:1';

const words = (text: string): string[] => text.split(' ');

/** Serves a list of items on port 3000: GET reads it, POST adds one. It asks the database by its client program. */
function app(): void {
  const { execFileSync } = require('node:child_process') as typeof import('node:child_process');
  const { createServer } = require('node:http') as typeof import('node:http');
  const { MYSQL_HOST = '', MYSQL_USER = '', MYSQL_PASSWORD = '', MYSQL_DB = '' } = process.env;
  const connection = [`--host=${MYSQL_HOST}`, `--user=${MYSQL_USER}`, `--password=${MYSQL_PASSWORD}`, MYSQL_DB];
  const ask = (sql: string) => String(execFileSync('mariadb', ['-N', '-B', ...connection], { input: sql }));
  createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += String(part)));
    request.on('end', () => {
      try {
        ask('CREATE TABLE IF NOT EXISTS todo_items (name VARCHAR(255))');
        if (request.method === 'POST') ask(`INSERT INTO todo_items VALUES ('${body.replaceAll(/\W/g, '')}')`);
        response.end(ask('SELECT name FROM todo_items ORDER BY name'));
      } catch (error) {
        response.writeHead(500).end(String(error));
      }
    });
  }).listen(3000);
}

engineSuite('the todo application', { images: ['busybox', 'todo'], skip: onlyLong() }, (engine) => {
  const docker = dockerOf(engine);
  const ask = async (path: string, method = 'GET', body = ''): Promise<string> => {
    const more = method === 'POST' ? `, { method: 'POST', body: ${JSON.stringify(body)} }` : '';
    const script = `fetch('http://127.0.0.1:${path}'${more}).then(async (a) => { process.exitCode = a.ok ? 0 : 1; process.stdout.write(await a.text()); })`;
    const { code, stdout, stderr } = await engine().inside([process.execPath, '-e', script], { timeout: 20_000 });
    if (code !== 0) throw new Error(`${stdout}${stderr}`);
    return stdout;
  };
  const database = () =>
    docker.ok(
      ...words('run -d --name=db --network todo-app --network-alias mysql'),
      ...words('-v todo-mysql-data:/var/lib/mysql -e MYSQL_ROOT_PASSWORD=secret -e MYSQL_DATABASE=todos'),
      image,
    );
  const frontEnd = () =>
    docker.ok(
      ...words('run -dp 127.0.0.1:3000:3000 --name=app -w /app --network todo-app'),
      ...words('-e MYSQL_HOST=mysql -e MYSQL_USER=root -e MYSQL_PASSWORD=secret -e MYSQL_DB=todos'),
      image,
      'node',
      '-e',
      `(${app.toString()})()`,
    );
  const answers = (method: string, body: string): Promise<string> => {
    let last: unknown;
    return eventually(
      'the application answers',
      () =>
        ask('3000/items', method, body).catch((error: unknown) => {
          last = error;
          return undefined;
        }),
      { timeout: 90_000, every: 300 },
    ).catch((error: unknown) => {
      throw last instanceof Error ? last : error;
    });
  };

  test('the database is found by its alias; its data outlives it', { timeout: 400_000 }, async () => {
    await docker.ok('network', 'create', 'todo-app');
    await database();
    await frontEnd();
    assert.equal(await answers('POST', 'milk'), 'milk\n');
    assert.equal(await answers('POST', 'bread'), 'bread\nmilk\n');
    await docker.ok('rm', '-f', 'db');
    await docker.ok('volume', 'inspect', 'todo-mysql-data');
    await database();
    // The application still runs: it finds the new container under the same name.
    assert.equal(await answers('GET', ''), 'bread\nmilk\n');
    await docker.ok('rm', '-f', 'db', 'app');
    await engine().stop();
    await engine().start();
    await database();
    await frontEnd();
    assert.equal(await answers('POST', 'tea'), 'bread\nmilk\ntea\n');
    // The new engine mounts a layer at its first use; the stock that is taken of this suite knows it mounted.
    await docker.ok('run', '--rm', busybox, 'true');
  });

  test('another port of the host, and a volume that --mount names', async () => {
    await docker.ok('run', '-d', '-p', '27018:27017', busybox, 'httpd', '-f', '-p', '27017', '-h', '/var/www');
    assert.match(await ask('27018/'), /served from a container/);
    const jenkins = (...command: string[]) =>
      docker.ok(
        ...words('run -d --name=ci --mount source=jenkins_home,target=/var/jenkins_home -P --expose=8080'),
        busybox,
        'sh',
        '-c',
        `${command.join(' ')}; exec httpd -f -p 8080 -h /var/jenkins_home`,
      );
    const port = async () => (await docker.ok('port', 'ci', '8080')).split('\n')[0]?.split(':').at(-1) ?? '';
    await jenkins('echo configured', '>', '/var/jenkins_home/config');
    assert.equal(await ask(`${await port()}/config`), 'configured\n');
    await docker.ok('rm', '-f', 'ci');
    await jenkins('true');
    assert.equal(await ask(`${await port()}/config`), 'configured\n');
  });
});
