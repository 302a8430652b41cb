/** A mount of an image on the host: what `POST /images/{name}/mount` answers, and `GET /images/mounts` lists. */
export interface ImageMountView {
  Id: string;
  RepoTags: string[];
  /** `linux/amd64` */
  Platform: string;
  /** Where its file system is on the engine's host. */
  Path: string;
  /** How often it was mounted and not unmounted. */
  Count: number;
}
