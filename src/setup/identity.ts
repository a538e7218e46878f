// What makes this host somebody to its portal, and what was kept for when the portal is away: gone with the set-up that
// made it, because a credential that nobody uses is only ever stolen.
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'

export type IdentityPlaces = { readonly server_token_file: string; readonly offline_cache_dir: string }

/** Whether an identity, or anything sealed for one, is here. */
export const hasIdentity = (world: Parts<'files'>, { server_token_file }: IdentityPlaces): boolean =>
  [server_token_file, paths.keyFile].some((path) => world.files.stat(path) !== undefined)

/** Overwrites and unlinks each file. The record of uids stays. */
export function destroyIdentity(world: Parts<'files'>, { server_token_file, offline_cache_dir }: IdentityPlaces): void {
  const kept = [paths.secrets, offline_cache_dir].flatMap((folder) =>
    (world.files.list(folder) ?? []).map((name) => `${folder}/${name}`),
  )
  // The key last: without it nothing that a crash left opens.
  for (const path of [server_token_file, ...kept, paths.keyFile])
    if (world.files.stat(path)?.kind === 'file') world.files.destroy(path)
}
