// Keys about PAM services other than ssh and sudo.
import { key } from '../key.ts'
import { serviceMap } from '../value-types.ts'

export const serviceKeys = {
  service_map: key(new Map<string, string>(), () => ({
    schema: serviceMap(),
    says:
      'As what the portal is asked about PAM services that it does not know; it knows ssh and sudo. ' +
      'Others are refused. "unlock" stands for the screen lockers of logged-in users.',
    section: 'host',
    example: 'login=ssh, lightdm=ssh, gdm-password=ssh, unlock=ssh',
    since: '0.2',
  })),
}
