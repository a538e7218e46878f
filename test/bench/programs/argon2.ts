// One Argon2id as a password verified without the portal costs it, in a program of its own: argon2 native|hash-wasm.
import { argon2 } from '../../../modes/world/system.ts'
import { utf8 } from '../../../src/base/bytes.ts'
import { openArgon2, usualCost } from '../../../src/offline/argon2.ts'

const core = openArgon2(process.argv[2] === 'native' ? argon2 : undefined)
const hash = await core(utf8('correct horse'), utf8('of sixteen bytes'), usualCost)
process.exit(hash.length === 32 ? 0 : 1)
