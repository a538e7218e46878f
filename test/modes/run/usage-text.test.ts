// What ob help prints fits the terminal, and hides nothing.
import { expect, test } from 'bun:test'
import { modes } from '../../../modes/run/modes.ts'
import { formatModes, formatRows, formatUsage } from '../../../modes/run/usage-text.ts'

const tooWide = (text: string, columns: number): readonly string[] =>
  text.split('\n').filter((line) => line.length > columns)

test.each([40, 80])('on %d columns nothing is broken by the terminal', async (columns) => {
  expect(tooWide(formatModes(modes, columns), columns)).toEqual([])
  for (const [name, entry] of modes) {
    const { syntax } = await entry.load()
    if (!syntax) continue
    const text = formatUsage({ ...syntax, name }, columns)
    expect(tooWide(text, columns)).toEqual([])
    for (const argument of Object.keys(syntax.args)) expect(text.toLowerCase()).toContain(argument)
  }
})

test('every mode is in the list once, what people type first', () => {
  const [typed = '', helpers = ''] = formatModes(modes, 80).split('nobody types them:')
  expect(typed).toMatch(/^ {2}setup {2,}/m)
  for (const name of ['keys', 'vouch', 'ca sign']) expect(helpers).toMatch(new RegExp(`^ {2}${name} {2,}`, 'm'))
  for (const name of modes.keys())
    expect(`${typed}${helpers}`.match(new RegExp(`^ {2}${name} {2,}`, 'gm'))?.length).toBe(1)
})

test('a value has its hint, a word that may be left out has brackets, and a default is named', () => {
  const args = {
    verb: { type: 'positional', description: 'what to do', required: false },
    'revert-after': { type: 'string', description: 'how long', valueHint: 'minutes', default: '10' },
    'server-group': { type: 'string', description: 'which' },
    yes: { type: 'boolean', description: 'do not ask', default: false },
  } as const
  expect(formatUsage({ name: 'example', summary: 'An example.', args }, 80)).toBe(
    `usage: ob example [VERB] [OPTIONS]

An example.

  VERB  what to do

  --revert-after MINUTES  how long (10 unless told)
  --server-group GROUP    which
  --yes                   do not ask
`,
  )
})

test('a label that is too wide has a line of its own', () => {
  expect(
    formatRows(
      [
        ['a'.repeat(30), 'text'],
        ['b', 'more'],
      ],
      80,
    ),
  ).toEqual([`  ${'a'.repeat(30)}`, '     text', '  b  more'])
})
