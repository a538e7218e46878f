// Does everything that says something about accounts say the same? For `ob nss verify`; changes nothing.

import { orElse } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Files, Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { publishMemberships } from './adopt.ts'
import { exportAll, mayBeLocal, readForeign } from './extrausers.ts'
import { openRegistry } from './registry.ts'
import type { Registry } from './registry-format.ts'

export function verifyAccounts(world: Parts<'files'>, config: Config): readonly string[] {
  const store = openRegistry(world)
  const problems: string[] = []
  const attempt = (work: () => void): void => {
    orElse(work, (fault) => void problems.push(fault.message))
  }
  attempt(() => {
    const registry = store.whole()
    attempt(() => problems.push(...wrongLookups(registry, store)))
    attempt(() => problems.push(...wrongExport(world, config, registry)))
  })
  return problems
}

/** Lookups by halving must find what reading the whole file finds. */
function wrongLookups(registry: Registry, { view }: ReturnType<typeof openRegistry>): readonly string[] {
  return view((found) =>
    [...registry.users].flatMap(([name, user]) => {
      const isRight = found.user(name)?.uid === user.uid && found.owner(user.uid) === name
      return isRight ? [] : [`users.json: ${name} is not found where it should be; run: ob nss export`]
    }),
  )
}

function wrongExport(world: Parts<'files'>, config: Config, registry: Registry): readonly string[] {
  const wrong: string[] = []
  const editAccounts: Files['editAccounts'] = (edit) => {
    const text = (name: string): string => readForeign(world, `/etc/${name}`)
    const now = { passwd: text('passwd'), shadow: text('shadow'), group: text('group'), gshadow: text('gshadow') }
    if (edit(now).group !== now.group) wrong.push('/etc/group')
    return false
  }
  const dry = {
    files: {
      ...world.files,
      makeDirectory: () => undefined,
      writeAtomic: (path: string) => void wrong.push(path),
      editAccounts,
    },
  }
  exportAll(dry, config, registry)
  if (config.create_user_target !== 'passwd')
    publishMemberships(dry, config, [...registry.users], (name) => registry.groups.get(name))
  const clashes = ['passwd', 'group'].flatMap((file) => {
    const names = readForeign(world, `/etc/${file}`).split('\n')
    return names.flatMap((line) => {
      const name = line.split(':')[0] ?? ''
      const user = registry.users.get(name)
      return user && !mayBeLocal(user) && config.create_user_target !== 'passwd'
        ? [`${name} is in /etc/${file} and in ${paths.registry}; the local one wins`]
        : []
    })
  })
  return [...wrong.map((path) => `${path} does not say what the registry says; run: ob nss export`), ...clashes]
}
