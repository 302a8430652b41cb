/** Extended attributes that an image may bring; the others are the host's business (labels, integrity, overlayfs). */
export const allowedXattr = (name: string): boolean =>
  name === 'security.capability' ||
  name === 'system.posix_acl_access' ||
  name === 'system.posix_acl_default' ||
  (name.startsWith('user.') && !name.startsWith('user.overlay.'));
