// Arguments that people type: what no mode takes is refused with a sentence, for every mode alike.
import { expect, test } from 'bun:test'
import { mode as enroll } from '../../../modes/admin/enroll.ts'
import { parse } from '../../../modes/run/args.ts'
import { fakeWorld } from '../../fakes/world.ts'

const syntax = {
  name: 'example',
  summary: 'An example.',
  args: {
    what: { type: 'positional', description: 'a word', required: false },
    json: { type: 'boolean', description: 'print JSON', alias: 'j', default: false },
    'dry-run': { type: 'boolean', description: 'write nothing', default: false },
    key: { type: 'string', description: 'a file' },
  },
} as const

/** The problem, or what the arguments mean. */
async function read(...args: readonly string[]) {
  const result = await parse(syntax, args)
  if ('parsed' in result) {
    const { json, 'dry-run': dryRun, key, what } = result.parsed
    return { json, dryRun, key, what }
  }
  return result.ending.kind === 'usage' ? result.ending.text : result.ending
}

const none = { json: false, dryRun: false, key: undefined, what: undefined }

test.each([
  [['--json'], { ...none, json: true }],
  [['-j'], { ...none, json: true }],
  [['--no-json'], none],
  [['--dryRun'], { ...none, dryRun: true }],
  [['--dry-run', '--key=a=b'], { ...none, dryRun: true, key: 'a=b' }],
  [['json=maybe'], { ...none, what: 'json=maybe' }],
  [['--', '--json=maybe'], { ...none, what: '--json=maybe' }],
])('%j is understood', async (args, meaning) => {
  expect(await read(...args)).toEqual(meaning)
})

test.each([
  [['--json=maybe'], '--json takes no value'],
  [['--json=true'], '--json takes no value'],
  [['--json=false'], '--json takes no value'],
  [['--json='], '--json takes no value'],
  [['--json=a=b'], '--json takes no value'],
  [['--json', '--json=maybe'], '--json takes no value'],
  [['--dry-run=no'], '--dry-run takes no value'],
  [['--dryRun=no'], '--dry-run takes no value'],
  [['--no-json=maybe'], 'unknown option --json=maybe'],
  [['--json', 'one', 'two'], 'unexpected "two"'],
  [['--jsom'], 'unknown option --jsom'],
])('%j is refused', async (args, problem) => {
  expect(await read(...args)).toBe(`${problem}; ob example --help explains`)
})

test('ob enroll refuses a switch with a value before it looks at anything', async () => {
  const ending = await enroll.run(['--json=maybe'], fakeWorld())
  expect(ending).toMatchObject({ kind: 'usage', text: expect.stringContaining('--json takes no value') })
})
