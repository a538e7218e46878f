// Ids that users may take inside their own user namespaces (subuid(5), subgid(5)).

export type SubordinateRange = { readonly owner: string; readonly first: number; readonly count: number }

/** Lines that newuidmap(1) would refuse do not count. */
export const parseSubordinateIds = (text: string): readonly SubordinateRange[] =>
  text.split('\n').flatMap((line) => {
    const [owner = '', first = '', count = '', ...more] = line.trim().split(':')
    if (owner === '' || owner.startsWith('#') || more.length > 0) return []
    if (!/^\d{1,10}$/.test(first) || !/^\d{1,10}$/.test(count)) return []
    return [{ owner, first: Number(first), count: Number(count) }]
  })

export const isWithin = (id: number, ranges: readonly Pick<SubordinateRange, 'first' | 'count'>[]): boolean =>
  ranges.some(({ first, count }) => id >= first && id < first + count)
