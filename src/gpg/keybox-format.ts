// A key ring of GnuPG (kbx/keybox-blob.c): blobs, each with its length first. Only the OpenPGP keys in it are of use.

const longest = 1 << 20
/** More keys are the ring of somebody who collects them; reading all would stop a login. */
const mostBlobs = 512

/** Whether these bytes begin as a keybox does. */
export const isKeybox = (bytes: Uint8Array): boolean =>
  bytes.length >= 32 && bytes[4] === 1 && new TextDecoder('latin1').decode(bytes.subarray(8, 12)) === 'KBXf'

/** The OpenPGP packets of every key, or undefined when it is no keybox or a broken one. */
export function parseKeybox(bytes: Uint8Array): readonly Uint8Array[] | undefined {
  if (!isKeybox(bytes)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const keys: Uint8Array[] = []
  for (let at = 0, blobs = 0; at < bytes.length; blobs++) {
    const length = at + 5 <= bytes.length ? view.getUint32(at) : 0
    if (length < 5 || at + length > bytes.length || blobs > mostBlobs) return undefined
    const key = bytes[at + 4] === 2 ? keyIn(view, at, length) : new Uint8Array()
    if (key === undefined) return undefined
    if (key.length > 0) keys.push(key)
    at += length
  }
  return keys
}

/** Type 2: flags, then where in the blob the key begins, and how long it is. */
function keyIn(view: DataView, at: number, length: number): Uint8Array | undefined {
  if (length < 16) return undefined
  const [offset, size] = [view.getUint32(at + 8), view.getUint32(at + 12)]
  if (offset < 16 || size > longest || offset + size > length) return undefined
  return new Uint8Array(view.buffer, view.byteOffset + at + offset, size)
}
