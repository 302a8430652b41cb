import assert from 'node:assert/strict';
import test from 'node:test';
import { describePorts } from './_ports.ts';

test('neighbours are joined, ports published elsewhere follow', () => {
  assert.equal(
    describePorts([
      { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
      { IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
      { PrivatePort: 92, Type: 'tcp' },
      { PrivatePort: 90, Type: 'tcp' },
      { PrivatePort: 91, Type: 'tcp' },
      { IP: '::', PrivatePort: 443, PublicPort: 443, Type: 'tcp' },
      { PrivatePort: 53, Type: 'udp' },
    ]),
    '53/udp, 90-92/tcp, [::]:443->443/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp',
  );
  assert.equal(describePorts([]), '');
});
