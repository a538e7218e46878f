// A stand-in for the service of a web login, as a function from request to response: `ob portal`'s two calls, those of
// the module pam-weblogin, and what a person does in a browser. Tests make it lie.

export type Start = Readonly<Record<string, unknown>> & { readonly user: string }

type Login = {
  readonly session: string
  readonly handle: string
  readonly start: Start
  state: 'open' | 'confirmed' | 'refused' | 'spent'
  code: string
  tries: number
  /** Who logged in, if it is somebody else. */
  who: string
  groups: readonly string[]
}

export type Lie = (path: string, honest: () => Response) => Response | Promise<Response>

const letters = 'BCDFGHJKLMNPQRSTVWXZ'
const random = (length: number, alphabet: string): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => alphabet[byte % alphabet.length]).join('')

export function createService(base: string, credential: string) {
  const logins: Login[] = []
  const approvals = new Map<string, number>()
  const starts: Start[] = []
  let lie: Lie | undefined
  const now = (): number => Math.floor(Date.now() / 1000)
  const of = (handle: string): Login => {
    const found = logins.find((one) => one.handle === handle)
    if (!found) throw new Error(`nobody started ${handle}`)
    return found
  }
  const open = (start: Start): Login => {
    const session = random(32, letters)
    const handle = random(14, letters)
    const login: Login = {
      session,
      handle,
      start,
      state: 'open',
      code: '',
      tries: 3,
      who: start.user,
      groups: ['staff'],
    }
    logins.push(login)
    return login
  }
  const identity = ({ who, groups }: Pick<Login, 'who' | 'groups'>) => ({
    user: who,
    subject: `subject-of-${who}`,
    issuer: 'https://idp.example.test',
    groups,
  })
  const approvalKey = ({ user, rhost, key_fingerprint, host_group }: Start): string =>
    [user, rhost, key_fingerprint, host_group].join(' ')

  const start = (body: Start): Response => {
    starts.push(body)
    const wanted = Number(body['approval_seconds'] ?? 0)
    const made = approvals.get(approvalKey(body)) ?? 0
    if (wanted > 0 && made > now() - wanted)
      return Response.json({
        approved: true,
        ...identity({ who: body.user, groups: ['staff'] }),
        approval_expires_at: made + wanted,
      })
    const login = open(body)
    return Response.json({ session: login.session, url: `${base}/w/${login.handle}`, expires_in: 300 }, { status: 201 })
  }

  const check = (session: string, code: string): Response => {
    const login = logins.find((one) => one.session === session)
    if (!login || login.state === 'spent') return Response.json({ result: 'expired' })
    if (login.state === 'refused') return Response.json({ result: 'refused' })
    if (login.state === 'open') return Response.json({ result: 'pending' })
    if (code.replaceAll('-', '').toUpperCase() !== login.code.replaceAll('-', '')) {
      login.tries--
      if (login.tries <= 0) login.state = 'spent'
      return Response.json({ result: 'wrong', tries_left: login.tries })
    }
    login.state = 'spent'
    const wanted = Number(login.start['approval_seconds'] ?? 0)
    if (wanted > 0) approvals.set(approvalKey(login.start), now())
    const until = wanted > 0 ? { approval_expires_at: now() + wanted } : {}
    return Response.json({ result: 'confirmed', ...identity(login), acr: 'loa-2', auth_time: now(), ...until })
  }

  // SBS: the code exists from the start, and nobody has to log in for it to count.
  const moduleStart = (body: Start & { readonly user_id?: string }): Response => {
    starts.push(body)
    const login = open({ ...body, user: String(body.user_id) })
    login.state = 'confirmed'
    login.code = random(4, '0123456789')
    const url = `${base}/login/${login.handle}`
    return Response.json(
      { result: 'OK', session_id: login.session, cached: false, url, challenge: `Hello. To continue, visit ${url}\n` },
      { status: 201 },
    )
  }
  const moduleCheck = (session: string, pin: string): Response => {
    const login = logins.find((one) => one.session === session)
    if (!login || login.state === 'spent')
      return Response.json({ result: 'TIMEOUT', info: 'Pam session not found or expired' }, { status: 201 })
    if (pin !== login.code) return Response.json({ result: 'FAIL', info: 'Incorrect pin' }, { status: 201 })
    login.state = 'spent'
    const group = { id: 1, name: 'Staff', short_name: 'staff', urn: 'urn:example:org:co:staff' }
    const found = { result: 'SUCCESS', info: 'Authenticated', username: login.who, groups: [group], collaborations: [] }
    return Response.json(found, { status: 201 })
  }

  const answer = async (request: Request): Promise<Response> => {
    const path = new URL(request.url).pathname.slice(new URL(base).pathname.replace(/\/$/, '').length)
    if (request.method !== 'POST') return new Response('not found', { status: 404 })
    const token = request.headers.get('authorization')
    if (token !== `Bearer ${credential}`) return Response.json({ error: 'host_unknown' }, { status: 401 })
    const body = (await request.json()) as Start & Readonly<Record<'session' | 'session_id' | 'code' | 'pin', string>>
    const honest = (): Response => {
      if (path === '/weblogin/start') return start(body)
      if (path === '/weblogin/check') return check(body.session, body.code)
      if (path === '/start') return moduleStart(body)
      if (path === '/check-pin') return moduleCheck(body.session_id, String(body.pin))
      return new Response('not found', { status: 404 })
    }
    return lie ? lie(path, honest) : honest()
  }

  return {
    answer,
    starts: () => starts,
    /** The person logs in at the address, perhaps as somebody else, and presses the button: the code of the page. */
    confirm: (handle: string, who?: string | null, groups?: readonly string[] | null): string => {
      const login = of(handle)
      if (login.state === 'open') login.code = [3, 3, 3].map((length) => random(length, letters)).join('-')
      login.state = 'confirmed'
      login.who = who ?? login.who
      login.groups = groups ?? login.groups
      return login.code
    },
    /** "This was not me". */
    refuse: (handle: string): void => {
      of(handle).state = 'refused'
    },
    /** The time of the login is over. */
    expire: (handle: string): void => {
      of(handle).state = 'spent'
    },
    dropApprovals: (): void => approvals.clear(),
    lie: (next: Lie | undefined): void => {
      lie = next
    },
  }
}

export type Service = ReturnType<typeof createService>
