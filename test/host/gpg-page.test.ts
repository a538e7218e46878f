// The QR code of a challenge in a real browser (Debian's chromium), in all four variants; read back from the picture.
import { expect } from 'bun:test'
import { browserRefusal } from '../browser/parts.ts'
import { configure, settleIn } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { codeIn, type Dialogue, decrypt, knock, makeKeys, messageIn } from './person.ts'
import { inLab } from './suite.ts'

let lab: Lab
let whyNot: string | undefined

const test = inLab(
  {},
  async (started) => {
    lab = started
    whyNot = Bun.which('zbarimg') === null ? 'there is no zbarimg' : browserRefusal()
    if (whyNot !== undefined) console.error(`pages are not looked at in a browser: ${whyNot}`)
    await settleIn(lab)
    await makeKeys(lab, { alice: 'future-default' })
    await lab.need(`ob gpg add alice /root/person/alice.asc
    useradd --system --home-dir / --shell /usr/sbin/nologin ob-gpg
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=lab \\
      -addext subjectAltName=IP:127.0.0.1 -keyout /etc/ssl/private/page.key -out /etc/ssl/page.pem 2>/dev/null
    chmod 0600 /etc/ssl/private/page.key`)
    await lab.setStack('g')
  },
  180_000,
)

const tls = 'gpg_web_certificate = /etc/ssl/page.pem\ngpg_web_key = /etc/ssl/private/page.key\n'

async function begin(variant: string, extra = ''): Promise<Dialogue> {
  const secure = variant.endsWith('NoTls') ? 'gpg_web_insecure = true\n' : tls
  await configure(lab, `gpg_web = ${variant}\ngpg_web_address = 127.0.0.1\n${secure}${extra}`)
  await lab.need('rm -rf /var/lib/open-bastion/ratelimit')
  lab.audit()
  return knock(lab, { user: 'alice' })
}

type Shown = { readonly url: string; readonly auth: string; readonly message: string }

async function shownBy(login: Dialogue): Promise<Shown> {
  const shown = await login.prompt()
  const url = /https?:\/\/127\.0\.0\.1:\d+\//.exec(shown)?.[0] ?? shown
  const [, user, password] = /^Authenticate there as (\S+) and (\S+)$/m.exec(shown) ?? []
  return { url, auth: user === undefined ? '' : `${user}:${password}`, message: messageIn(shown) }
}

/** Processes of pages that still run; what has ended waits for somebody to notice. */
const pages = async (): Promise<readonly string[]> =>
  (await lab.run('ps -u ob-gpg -o pid=,stat=')).stdout
    .split('\n')
    .flatMap((line) => /^ *(\d+) [^Z]/.exec(line)?.[1] ?? [])

const curl = async (url: string, ...options: readonly string[]): Promise<string> =>
  (await lab.run(['curl', '-s', '-i', '--max-time', '5', '--cacert', '/etc/ssl/page.pem', ...options, url])).stdout

/** What the QR code on a picture of the page says. */
async function readInBrowser({ url, auth }: Shown): Promise<string> {
  const address = auth === '' ? url : url.replace('//', `//${auth}@`)
  const options = ['--headless', '--no-sandbox', '--disable-gpu', '--ignore-certificate-errors', '--hide-scrollbars']
  const picture = ['--screenshot=/root/page.png', '--window-size=1000,1600', '--user-data-dir=/root/browser']
  await lab.need(`rm -f /root/page.png`)
  const ran = await lab.run(['chromium', ...options, ...picture, address])
  if (ran.code !== 0) throw new Error(ran.stderr)
  return (await lab.need('zbarimg -q --raw /root/page.png')).trim()
}

for (const [variant, scheme, asks] of [
  ['webQrAuthTls', 'https', true],
  ['webQrNoAuthTls', 'https', false],
  ['webQrAuthNoTls', 'http', true],
  ['webQrNoAuthNoTls', 'http', false],
] as const)
  test(`${variant}: the QR code on the picture is the challenge`, async () => {
    const login = await begin(variant)
    const shown = await shownBy(login)
    expect(shown.url).toStartWith(`${scheme}://`)
    expect(shown.auth !== '').toBe(asks)
    if (whyNot === undefined) expect(await readInBrowser(shown)).toBe(shown.message)
    const bare = await curl(shown.url)
    expect(bare.split('\r\n')[0]).toBe(`HTTP/1.1 ${asks ? '401 Unauthorized' : '200 OK'}`)
    expect(bare.includes('PGP MESSAGE')).toBe(!asks)
    if (asks) expect(await curl(shown.url, '-u', 'guess:guess')).not.toContain('PGP MESSAGE')
    const whole = await curl(shown.url, ...(asks ? ['-u', shown.auth] : []))
    expect(whole).toContain(shown.message)
    expect(whole).toMatch(/cache-control: no-store/i)
    expect(whole).toMatch(/content-security-policy: default-src 'none'/i)
    expect(whole).not.toMatch(/<script|src=|href=|url\(/i)
    login.answer(codeIn(await decrypt(lab, shown.message)))
    expect((await login.end()).entered).toBe(true)
    // It is gone with the answer.
    expect(await curl(shown.url)).toBe('')
    expect(await pages()).toEqual([])
  })

test('the process has no rights, no privileges to gain, and none of our files open', async () => {
  const login = await begin('webQrAuthTls')
  await shownBy(login)
  const [pid] = await pages()
  const status = await lab.need(`cat /proc/${pid}/status`)
  const uid = (await lab.need('id -u ob-gpg')).trim()
  expect(status).toMatch(new RegExp(`^Uid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}$`, 'm'))
  expect(status).toMatch(/^Groups:\t *$/m)
  expect(status).toMatch(/^CapPrm:\t0+$/m)
  expect(status).toMatch(/^NoNewPrivs:\t1$/m)
  expect(await lab.need(`ls -l /proc/${pid}/fd`)).not.toMatch(/open-bastion|private|audit/)
  expect(await lab.need(`tr '\\0' ' ' < /proc/${pid}/cmdline`)).toBe('/usr/sbin/ob gpg-page ')
  login.answer('')
  await login.end()
})

test('who hangs up ends the page as well', async () => {
  const login = await begin('webQrNoAuthTls')
  await shownBy(login)
  await lab.need('kill $(pgrep -x ssh)')
  login.answer('')
  for (let tries = 0; tries < 100 && (await pages()).length > 0; tries++) await Bun.sleep(50)
  expect(await pages()).toEqual([])
})

test('TLS 1.2 and 1.3 are spoken, 1.1 is not', async () => {
  const login = await begin('webQrNoAuthTls')
  const { url } = await shownBy(login)
  for (const [most, code] of [
    ['1.1', 35],
    ['1.2', 0],
    ['1.3', 0],
  ] as const) {
    const argv = [
      'curl',
      '-s',
      '--cacert',
      '/etc/ssl/page.pem',
      '--tls-max',
      most,
      '--tlsv1.0',
      '--ciphers',
      'DEFAULT@SECLEVEL=0',
      url,
    ]
    expect([most, (await lab.run(argv)).code]).toEqual([most, code])
  }
  login.answer('')
  await login.end()
})

test('without a free port, or without its user, there is no page, and the login works all the same', async () => {
  await lab.need('usermod -l ob-gpg-gone ob-gpg')
  const login = await begin('webQrNoAuthTls')
  const shown = await login.prompt()
  expect(shown).not.toContain('point your browser')
  login.answer(codeIn(await decrypt(lab, messageIn(shown))))
  expect((await login.end()).entered).toBe(true)
  expect(JSON.stringify(lab.audit())).toContain('no page: there is no user ob-gpg')
  await lab.need('usermod -l ob-gpg ob-gpg-gone')
  const first = await begin('webQrNoAuthTls', 'gpg_web_first_port = 47100\ngpg_web_last_port = 47100\n')
  expect(await first.prompt()).toContain(':47100/')
  const second = await knock(lab, { user: 'alice' })
  expect(await second.prompt()).not.toContain('point your browser')
  first.answer('')
  second.answer('')
  await Promise.all([first.end(), second.end()])
})

test('the variants without TLS are refused until somebody says that they know', async () => {
  await configure(lab, 'gpg_web = webQrAuthNoTls\ngpg_web_address = 127.0.0.1\n')
  expect((await lab.run('ob gpg list')).stderr).toContain(
    'gpg_web = webQrAuthNoTls needs gpg_web_insecure = true: it has no TLS',
  )
})

test('nothing of the challenge is in a log or in a file', async () => {
  const login = await begin('webQrAuthTls')
  const shown = await shownBy(login)
  await curl(shown.url, '-u', shown.auth)
  const body = shown.message.split('\n')[2] ?? ''
  expect(body.length).toBeGreaterThan(50)
  const found = await lab.run([
    'grep',
    '-rlF',
    '-e',
    body,
    '-e',
    shown.auth.split(':')[1] ?? '',
    '/run/open-bastion',
    '/var/log',
    '/var/lib/open-bastion',
    '/root/page.png',
  ])
  expect(found.stdout.split('\n').filter((path) => path !== '' && !path.includes('/person-'))).toEqual([])
  login.answer('')
  await login.end()
})
