/** Something in the store that is not what it should be. */
export interface StoreProblem {
  Kind: 'blob' | 'layer' | 'record' | 'database';
  /** Digest of the blob, diff ID of the layer, kind and id of the record, file of the database. */
  Id: string;
  /** Names, or ids, of the images that have it. */
  Images: string[];
  /** What is wrong. */
  Message: string;
  Repaired: boolean;
  /** What was done, or why nothing could be; empty when no repair was asked for. */
  Repair: string;
}

/** What `POST /system/check` found. */
export interface StoreCheckView {
  Blobs: number;
  Layers: number;
  Images: number;
  /** Records of the state database. */
  Records: number;
  /** Bytes that were read. */
  Bytes: number;
  Problems: StoreProblem[];
}
