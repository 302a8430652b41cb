/**
 * Runs inside a container with the engine's socket: what programs do that keep containers up to date. Each container
 * with the label `update=yes` whose tag has moved is made anew from its own settings, under its own name.
 */
'use strict';
const { request } = require('node:http');

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const call = request({ socketPath: '/var/run/docker.sock', method, path: `/v1.44${path}`, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      answer.on('end', () => {
        if (answer.statusCode >= 400) reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
        else resolve(text);
      });
    });
    call.on('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const json = async (method, path, body) => JSON.parse(await ask(method, path, body));

async function update(id) {
  const old = await json('GET', `/containers/${id}/json`);
  const name = old.Name.slice(1);
  const [repository, tag] = old.Config.Image.split(/:(?=[^:]*$)/);
  await ask('POST', `/images/create?fromImage=${encodeURIComponent(repository)}&tag=${tag}`);
  const image = await json('GET', `/images/${old.Config.Image}/json`);
  if (image.Id === old.Image) return `${name} is up to date`;
  await ask('POST', `/containers/${id}/stop?t=1`);
  await ask('POST', `/containers/${id}/rename?name=${name}-old`);
  const body = {
    ...old.Config,
    HostConfig: old.HostConfig,
    NetworkingConfig: { EndpointsConfig: { bridge: { IPAMConfig: old.NetworkSettings.Networks.bridge.IPAMConfig } } },
  };
  const made = await json('POST', `/containers/create?name=${name}`, body);
  await ask('POST', `/containers/${made.Id}/start`);
  await ask('DELETE', `/containers/${id}?v=1`);
  await ask('DELETE', `/images/${old.Image}`);
  return `${name} was updated`;
}

async function main() {
  const filters = encodeURIComponent(JSON.stringify({ label: ['update=yes'], status: ['running'] }));
  for (const { Id } of await json('GET', `/containers/json?filters=${filters}`)) console.log(await update(Id));
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
