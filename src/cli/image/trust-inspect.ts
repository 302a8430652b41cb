import { pathPart } from '../../client/target.ts';
import type { ImageTrustInspect, TrustOriginView, TrustSignatureView } from '../../spec/engine/trust.ts';
import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import type { Session } from '../session.ts';
import { nameToTransfer } from './_name.ts';
import { registryAuth } from './registry-auth.ts';

export const inspectTrust = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Show what the trust policy says of images, and their signatures',
  flags: {
    pretty: flag(types.bool, 'Print it for people'),
    remote: flag(types.bool, 'Ask the registry: what would a pull be told?'),
  },
  args: atLeast(1),
  async run({ session, flags, args }) {
    const views: ImageTrustInspect[] = [];
    for (const name of args) views.push(await lookUp(session, name, flags.remote));
    if (flags.pretty) session.out(views.map((view, at) => prettyText(args[at] ?? '', view)).join('\n'));
    else session.out(`${JSON.stringify(views, null, 4)}\n`);
    return 0;
  },
});

async function lookUp(session: Session, name: string, isRemote: boolean): Promise<ImageTrustInspect> {
  const path = `/images/${pathPart(name)}/trust`;
  if (!isRemote) return session.client.json<ImageTrustInspect>('GET', path);
  const { domain } = nameToTransfer(session, name, { all: false, quiet: true });
  const headers = { 'X-Registry-Auth': registryAuth(session, domain) };
  return session.client.json<ImageTrustInspect>('GET', path, { query: { remote: 1 }, headers });
}

function prettyText(name: string, { Id, Policy, Accepted, Origins, Signatures }: ImageTrustInspect): string {
  const lines = [
    `${name}: ${Accepted ? 'accepted' : 'refused'}`,
    `  id: ${Id}`,
    `  policy: ${Policy === '' ? 'none' : Policy}`,
    ...Origins.flatMap(originLines),
    ...(Signatures.length === 0 ? ['  signatures: none are known'] : Signatures.map(signatureLine)),
  ];
  return `${lines.join('\n')}\n`;
}

const originLines = ({ Transport, Reference, Scope, Accepted, Requirements }: TrustOriginView): string[] => [
  `  ${Transport}${Reference === '' ? '' : ` ${Reference}`}: ${Accepted ? 'accepted' : 'refused'} by ${Scope}`,
  ...Requirements.map(({ Type, Reason }) => `    ${Type}: ${Reason}`),
];

function signatureLine({ Format, Digests, Identity, SignedBy }: TrustSignatureView): string {
  const by = SignedBy === '' ? 'by no key of the policy' : `by ${SignedBy}`;
  const says = Digests.length === 0 ? 'not readable' : `for ${Digests.join(', ')}`;
  return `  signature (${Format}): ${says}${Identity === '' ? '' : ` as ${Identity}`}, ${by}`;
}
