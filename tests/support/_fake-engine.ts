/** Stands in for the engine in tests of the fixture: answers `/_ping` on the socket that `--host` names. */
import { createServer } from 'node:http';

const host = process.argv.find((arg) => arg.startsWith('--host=unix://'));
const server = createServer((request, response) => {
  response.statusCode = request.url === '/_ping' ? 200 : 404;
  response.end('OK');
});
server.listen((host ?? '').slice('--host=unix://'.length));
process.on('SIGTERM', () => process.exit(0));
