import { pathPart } from '../../client/target.ts';
import type { Session } from '../session.ts';
import type { Found } from './_inspect.ts';
import { containerShape, imageShape, networkShape, volumeShape } from './_shapes.ts';

export const findContainer = async (session: Session, name: string, size: boolean): Promise<Found> => ({
  text: await session.client.text('GET', `/containers/${pathPart(name)}/json`, { query: { size } }),
  shape: containerShape,
});

export const findImage = async (session: Session, name: string, platform?: string): Promise<Found> => ({
  text: await session.client.text('GET', `/images/${pathPart(name)}/json`, { query: { platform } }),
  shape: imageShape,
});

export const findNetwork = async (session: Session, name: string, verbose = false): Promise<Found> => ({
  text: await session.client.text('GET', `/networks/${pathPart(name)}`, { query: { verbose } }),
  shape: networkShape,
});

export const findVolume = async (session: Session, name: string): Promise<Found> => ({
  text: await session.client.text('GET', `/volumes/${pathPart(name)}`),
  shape: volumeShape,
});
