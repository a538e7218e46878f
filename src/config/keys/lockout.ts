// Keys of lockouts after failures.
import { key } from '../key.ts'
import { fraction, path, toggle, whole } from '../value-types.ts'

export const lockoutKeys = {
  rate_limit_enabled: key(true, () => ({
    schema: toggle(),
    says: 'Lock a user and source out after too many rejected tokens.',
    section: 'lockout',
  })),
  rate_limit_state_dir: key('/var/lib/open-bastion/ratelimit', () => ({
    schema: path(),
    says: 'Where failures are counted.',
    section: 'lockout',
  })),
  rate_limit_max_attempts: key(5, () => ({
    schema: whole(1, 100),
    says: 'Failures before the first lockout.',
    section: 'lockout',
  })),
  rate_limit_initial_lockout: key(30, () => ({
    schema: whole(1, 3600),
    says: 'Length of the first lockout.',
    section: 'lockout',
    unit: 'seconds',
  })),
  rate_limit_max_lockout: key(3600, () => ({
    schema: whole(60, 86400),
    says: 'Length no lockout exceeds.',
    section: 'lockout',
    unit: 'seconds',
  })),
  rate_limit_backoff_mult: key(2, () => ({
    schema: fraction(1.1, 10),
    says: 'How much longer each lockout is than the one before.',
    section: 'lockout',
    unit: 'times',
  })),
}
