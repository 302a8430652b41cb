import { always, list, number, type Setting, text } from './setting.ts';

/** How images come and go. */
export const registrySettings: readonly Setting[] = [
  list('insecure-registry', 'Registry that may be used without TLS', { key: 'insecure-registries' }),
  list('registry-mirror', 'Registry to ask first for images of the default registry', {
    key: 'registry-mirrors',
  }),
  text('storage-budget', 'What images may take on the disk before unused ones are removed: SIZE or PERCENT%', {
    own: 'setting',
  }),
  text(
    'storage-budget-grace',
    'How long images stay after they came or were used, whatever the budget: 24h if left out',
    { own: 'setting' },
  ),
  list('storage-budget-keep', 'Label of images that the budget never removes: NAME or NAME=VALUE', { own: 'setting' }),
  text('trust-policy', 'File that says which images may be used: accepted, rejected, signed by a key', {
    own: 'setting',
  }),
  number('max-concurrent-downloads', 'Layers that are downloaded at once'),
  number('max-concurrent-uploads', 'Layers that are uploaded at once'),
  number('max-download-attempts', 'How often a download is tried'),
  text('http-proxy', 'Proxy for registries over HTTP'),
  text('https-proxy', 'Proxy for registries over HTTPS'),
  text('no-proxy', 'Hosts that are reached without a proxy'),
  list('allow-nondistributable-artifacts', 'Registries that foreign layers are pushed to', {
    note: always('foreign layers are like all others: there is nothing to allow'),
  }),
];
