import { messageOf } from '../../base/errors.ts';
import { goldenTests } from '../../../tests/support/golden.ts';
import { expand } from '../expand/expand.ts';
import { variablesOf } from '../expand/variables.ts';
import { parseMount } from './mount.ts';

const variables = variablesOf(
  new Map([
    ['DIR', '/data'],
    ['TYPE', 'cache'],
  ]),
);

goldenTests(new URL('testdata/mount.txt', import.meta.url), (input) => {
  try {
    const mount = parseMount(input, (value) => expand(value, variables).text);
    const given = Object.entries(mount).filter(([, value]) => value !== '' && value !== undefined && value !== 0);
    return given.map(([key, value]) => `${key}=${value}`).join(' ');
  } catch (error) {
    return `error: ${messageOf(error)}`;
  }
});
