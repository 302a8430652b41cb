import { type Digest, parseDigest } from '../../base/ids.ts';
import { decode, list, string, struct, uint64 } from './decoder.ts';

/** A blob that somebody asks about. */
export interface WantedBlob {
  readonly digest: Digest;
  readonly size: number;
}

const wantedContent = struct<{ Blobs: { Digest: string; Size: number }[] }>('ImageMissingRequest', {
  Blobs: list(struct('ContentBlob', { Digest: string, Size: uint64 })),
});

/** The body of `POST /images/missing`. @throws EngineError `invalid` */
export const decodeWantedContent = (value: unknown): WantedBlob[] =>
  decode(wantedContent, value).Blobs.map(({ Digest, Size }) => ({ digest: parseDigest(Digest), size: Size }));

const partialArchive = struct<{ Without: string[] }>('ImageGetRequest', { Without: list(string) });

/** The body of `POST /images/get`: blobs that the archive is to leave out. @throws EngineError `invalid` */
export const decodeWithout = (value: unknown): Digest[] =>
  decode(partialArchive, value).Without.map((digest) => parseDigest(digest));
