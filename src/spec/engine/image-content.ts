/** A blob of an image's archive: a layer, configuration, manifest or index. */
export interface ContentBlob {
  Digest: string;
  /** Bytes. */
  Size: number;
}

/** What `GET /images/content` tells: the blobs that an archive of these images holds. */
export interface ImageContentView {
  Blobs: ContentBlob[];
}

/** What `POST /images/missing` answers: digests of the blobs asked about that are not here. */
export interface MissingContentView {
  Missing: string[];
}
