import { expect, test } from 'bun:test'
import { formatHopKeyId, judgeHopCertificate, parseHopKeyId } from '../../src/bastion/hop-certificate-policy.ts'
import { hopKind } from '../../src/ssh/proof.ts'
import { alice, policy } from './cast.ts'

const keyId = 'bastion=bastion-01;user=alice;target=web1'
const good = { keyId, type: 'user', principals: ['alice'] } as const

const rows: readonly (readonly [string, object, string | undefined])[] = [
  ['one for this user, this host, by a bastion that is allowed', {}, undefined],
  ['the long name of this host', { keyId: 'bastion=bastion-01;user=alice;target=web1.example.com' }, undefined],
  [
    'an address, which the portal writes without colons',
    { keyId: 'bastion=bastion-01;user=alice;target=2001_db8__1' },
    undefined,
  ],
  ['another bastion', { keyId: 'bastion=bastion-02;user=alice;target=web1' }, 'hop-bastion'],
  ['another user', { keyId: 'bastion=bastion-01;user=bob;target=web1' }, 'hop-user'],
  ['another host', { keyId: 'bastion=bastion-01;user=alice;target=web2' }, 'hop-target'],
  ['no host', { keyId: 'bastion=bastion-01;user=alice;target=' }, 'hop-certificate'],
  ['no bastion', { keyId: 'bastion=;user=alice;target=web1' }, 'hop-certificate'],
  ['something after it', { keyId: `${keyId};user=bob` }, 'hop-certificate'],
  ['a line break after it', { keyId: `${keyId}\n` }, 'hop-certificate'],
  ['something before it', { keyId: ` ${keyId}` }, 'hop-certificate'],
  ['another order', { keyId: 'bastion=bastion-01;target=web1;user=alice' }, 'hop-certificate'],
  ['more names than one', { principals: ['alice', 'bob'] }, 'hop-user'],
  ['no name', { principals: [] }, 'hop-user'],
  ['a host’s certificate', { type: 'host' }, 'hop-certificate'],
]
test.each(rows)('%s', (_name, change, reason) => {
  expect(judgeHopCertificate({ ...good, ...change }, alice, policy)).toBe(reason as undefined)
})

test('where no bastion is named, no such certificate counts', () => {
  expect(judgeHopCertificate(good, alice, undefined)).toBe('hop-not-configured')
  expect(judgeHopCertificate(good, alice, { ...policy, allowedBastions: [] })).toBe('hop-not-configured')
})

test('what is read is what was written', () => {
  const names = { bastion: 'b-1', user: 'a.b_c', target: 'x.example.com' }
  expect(parseHopKeyId(formatHopKeyId(names))).toEqual(names)
  expect(formatHopKeyId({ ...names, target: '::1;user=root' })).toBe('bastion=b-1;user=a.b_c;target=__1_user_root')
})

test('everything that looks like a certificate for a hop is judged as one', () => {
  const kindOf = (id: string) => hopKind({ keyId: id, extensions: new Map(), criticalOptions: new Map() } as never)
  for (const id of [keyId, 'BASTION=x', ' bastion=', 'bastion=']) expect(kindOf(id)).toBe('certificate')
  for (const id of ['alice@llng-1', 'user=alice;bastion=x', 'bastion']) expect(kindOf(id)).toBeUndefined()
})
