import { expect, test } from 'bun:test'
import { formatConf, parseConf } from '../../src/base/conf-syntax.ts'
import { linesOf, parseModuleConf } from '../../src/weblogin/module-conf-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

const text = `# SRAM
url = https://sram.example.org/pam-weblogin/
token = Bearer abc=def
attribute=uid
cache_duration = 60
retries = 3
verify = /etc/ca.pem
cache_per_rhost
`

const parsed = (given: string) => {
  const conf = parseModuleConf(given)
  if ('problem' in conf) throw new Error(conf.problem)
  return conf
}

test('the settings of the module become lines of openbastion.conf, and the rest is said', () => {
  const conf = parsed(text)
  expect(linesOf(conf, true)).toEqual([
    { key: 'weblogin', value: 'pam-weblogin' },
    { key: 'weblogin_url', value: 'https://sram.example.org/pam-weblogin' },
    { key: 'weblogin_token', value: 'abc=def' },
    { key: 'weblogin_attribute', value: 'uid' },
  ])
  expect(conf.notes.map((note) => note.split(':')[0])).toEqual(['cache_duration', 'retries', 'verify'])
})

test('a token of another scheme is kept whole, and is shown only when asked for', () => {
  const conf = parsed('url=https://a\ntoken=Basic Zm9v\nattribute=username')
  expect(linesOf(conf, true)).toContainEqual({ key: 'weblogin_token', value: 'Basic Zm9v' })
  expect(JSON.stringify(linesOf(conf, false))).not.toContain('Zm9v')
  expect(linesOf(conf, false).map(({ key }) => key)).not.toContain('weblogin_attribute')
})

test.each([
  ['token = t\nattribute = uid', 'url is not set'],
  ['url = https://a\nattribute = uid', 'token is not set'],
  ['url = https://a\ntoken = t', 'attribute is not set'],
  ['', 'url is not set'],
])('%j is no file of the module', (given, problem) => {
  expect(parseModuleConf(given)).toEqual({ problem })
})

test('what is read can be written, whatever is in the file', () => {
  fuzzText([text], (given) => {
    const conf = parseModuleConf(given)
    if ('problem' in conf) return
    const lines = linesOf(conf, true)
    const read = parseConf(formatConf(lines)).entries.map(({ key, value }) => ({ key, value }))
    expect(read).toEqual(lines)
  })
})
