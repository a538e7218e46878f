// What the pages say, in English and French. Every text of one language is in the other: the type sees to that.

const en = {
  lang: 'en',
  product: 'Server access',
  signIn: 'Sign in',
  signInLead: 'A login on a server waits for you. Sign in to see it.',
  signInMe: 'Sign in to see your approvals and browsers.',
  signInWith: (label: string) => `Continue with ${label}`,
  signOut: 'Sign out',
  signedInAs: (name: string) => `Signed in as ${name}`,
  yourPage: 'Your approvals',
  requestTitle: 'Did you start this login?',
  requestLead: (host: string) => `Somebody is logging in to ${host} right now.`,
  requestLeadOther: (service: string, host: string) => `Somebody is using ${service} on ${host} right now.`,
  server: 'Server',
  account: 'Account',
  what: 'For',
  whatSsh: 'ssh login',
  whatOther: (service: string) => `${service} on this server`,
  from: 'From',
  thisBrowser: (address: string) => `This browser: ${address}`,
  key: 'Key',
  started: 'Started',
  ago: (seconds: number) => (seconds < 120 ? `${seconds} seconds ago` : `${Math.floor(seconds / 60)} minutes ago`),
  networkDiffers:
    'This browser is in another network than the terminal. If you expect that, go on. If not, it was not you.',
  warning: 'Warning',
  phishing: 'Did somebody send you this link, or ask you to press a button or to read out a code? Then it was not you.',
  notMe: 'This was not me',
  wasMeSsh: 'I typed ssh just now',
  wasMeOther: (service: string) => `I typed ${service} just now`,
  remember: (time: string, place: string) =>
    `Do not ask again for ${time} on ${place}, with this key and from this address`,
  placeGroup: (group: string) => `servers of the group ${group}`,
  placeHost: (host: string) => `the server ${host}`,
  codeTitle: 'Your verification code',
  codeLead: 'Type this code into the terminal where you started the login.',
  codeValid: (time: string, seconds: number) =>
    `Good until ${time}, for ${seconds} more seconds, and only in that terminal.`,
  codeSecret: 'Tell it to nobody: nobody who helps you needs it.',
  codeOld: 'The code is too old',
  codeOldLead: 'The login still waits. Get another code when you are ready to type it.',
  codeAgain: 'Show another code',
  doneTitle: 'You are logged in',
  doneLead: 'The code was accepted. You can close this page.',
  refusedTitle: 'The login was stopped',
  refusedLead:
    'Nobody gets in with this request. If you did not start it, tell your administrator: somebody knows your name, and perhaps has your key.',
  refusedTries: 'If you started it yourself, begin again in the terminal.',
  otherTitle: 'This login is not yours',
  otherLead: (name: string) => `It waits for somebody else. You are signed in as ${name}.`,
  otherHint: 'If the account in the terminal is yours under another identity, sign out here and sign in with that one.',
  goneTitle: 'This login does not wait any more',
  goneLead: 'It has ended or is too old. Begin again in the terminal: a new address will be shown.',
  meTitle: 'Your approvals and browsers',
  approvals: 'Approvals',
  approvalsLead: 'For some hours these keys get in without this page, from the address named.',
  noApprovals: 'There are none.',
  group: 'Servers',
  until: 'Until',
  revoke: 'Withdraw',
  revokeThis: (key: string) => `Withdraw the approval of ${key}`,
  browsers: 'Browsers that are signed in',
  thisOne: 'this one',
  browser: 'Browser',
  since: 'Since',
  end: 'Sign out',
  endThis: (browser: string) => `Sign out ${browser}`,
  endAll: 'Sign out everywhere and withdraw every approval',
  action: 'Action',
  errorTitle: 'That did not work',
  providerAway: (label: string) =>
    `${label} does not answer as it should. Try again in a minute; if it stays so, tell your administrator.`,
  providerRefused: (label: string) => `${label} did not sign you in. You can try again.`,
  nameMissing: (label: string) =>
    `${label} does not say which account is yours. Ask your administrator; ob portal explain shows why.`,
  nameTaken: 'The account that your identity names belongs to another identity here. Ask your administrator.',
  weak: (label: string) =>
    `You signed in at ${label} in a weaker way than is needed here. Sign in again with a second factor.`,
  startAgain: 'That page was too old, or was opened in another browser. Go back and begin again.',
  notFound: 'There is no such page.',
  unavailable: 'This service cannot reach its database. Try again in a minute.',
  back: 'Begin again',
  tooMany: 'Too many requests from your network. Wait a minute.',
}

export type Texts = typeof en

const fr: Texts = {
  lang: 'fr',
  product: 'Accès aux serveurs',
  signIn: 'Se connecter',
  signInLead: 'Une connexion à un serveur vous attend. Identifiez-vous pour la voir.',
  signInMe: 'Identifiez-vous pour voir vos autorisations et vos navigateurs.',
  signInWith: (label) => `Continuer avec ${label}`,
  signOut: 'Se déconnecter',
  signedInAs: (name) => `Connecté en tant que ${name}`,
  yourPage: 'Vos autorisations',
  requestTitle: 'Est-ce vous qui vous connectez ?',
  requestLead: (host) => `Quelqu’un est en train de se connecter à ${host}.`,
  requestLeadOther: (service, host) => `Quelqu’un est en train d’utiliser ${service} sur ${host}.`,
  server: 'Serveur',
  account: 'Compte',
  what: 'Pour',
  whatSsh: 'connexion ssh',
  whatOther: (service) => `${service} sur ce serveur`,
  from: 'Depuis',
  thisBrowser: (address) => `Ce navigateur : ${address}`,
  key: 'Clé',
  started: 'Commencée',
  ago: (seconds) => (seconds < 120 ? `il y a ${seconds} secondes` : `il y a ${Math.floor(seconds / 60)} minutes`),
  networkDiffers:
    'Ce navigateur n’est pas sur le même réseau que le terminal. Si c’est normal, continuez. Sinon, ce n’était pas vous.',
  warning: 'Attention',
  phishing:
    'Quelqu’un vous a envoyé ce lien, ou vous demande d’appuyer sur un bouton ou de lui lire un code ? Alors ce n’était pas vous.',
  notMe: 'Ce n’était pas moi',
  wasMeSsh: 'Je viens de taper ssh',
  wasMeOther: (service) => `Je viens de taper ${service}`,
  remember: (time, place) => `Ne plus demander pendant ${time} sur ${place}, avec cette clé et depuis cette adresse`,
  placeGroup: (group) => `les serveurs du groupe ${group}`,
  placeHost: (host) => `le serveur ${host}`,
  codeTitle: 'Votre code de vérification',
  codeLead: 'Tapez ce code dans le terminal où vous avez commencé la connexion.',
  codeValid: (time, seconds) => `Valable jusqu’à ${time}, encore ${seconds} secondes, et seulement dans ce terminal.`,
  codeSecret: 'Ne le dites à personne : personne n’en a besoin pour vous aider.',
  codeOld: 'Le code est trop ancien',
  codeOldLead: 'La connexion attend toujours. Demandez un autre code quand vous serez prêt à le taper.',
  codeAgain: 'Afficher un autre code',
  doneTitle: 'Vous êtes connecté',
  doneLead: 'Le code a été accepté. Vous pouvez fermer cette page.',
  refusedTitle: 'La connexion a été arrêtée',
  refusedLead:
    'Personne n’entre avec cette demande. Si elle ne vient pas de vous, prévenez votre administrateur : quelqu’un connaît votre nom, et a peut-être votre clé.',
  refusedTries: 'Si elle venait de vous, recommencez dans le terminal.',
  otherTitle: 'Cette connexion n’est pas la vôtre',
  otherLead: (name) => `Elle attend quelqu’un d’autre. Vous êtes connecté en tant que ${name}.`,
  otherHint:
    'Si le compte du terminal est le vôtre sous une autre identité, déconnectez-vous ici et identifiez-vous avec celle-là.',
  goneTitle: 'Cette connexion n’attend plus',
  goneLead: 'Elle est terminée ou trop ancienne. Recommencez dans le terminal : une nouvelle adresse sera affichée.',
  meTitle: 'Vos autorisations et vos navigateurs',
  approvals: 'Autorisations',
  approvalsLead: 'Pendant quelques heures, ces clés entrent sans cette page, depuis l’adresse indiquée.',
  noApprovals: 'Il n’y en a pas.',
  group: 'Serveurs',
  until: 'Jusqu’à',
  revoke: 'Retirer',
  revokeThis: (key) => `Retirer l’autorisation de ${key}`,
  browsers: 'Navigateurs connectés',
  thisOne: 'celui-ci',
  browser: 'Navigateur',
  since: 'Depuis',
  end: 'Déconnecter',
  endThis: (browser) => `Déconnecter ${browser}`,
  endAll: 'Tout déconnecter et retirer toutes les autorisations',
  action: 'Action',
  errorTitle: 'Cela n’a pas fonctionné',
  providerAway: (label) =>
    `${label} ne répond pas comme il devrait. Réessayez dans une minute ; si cela dure, prévenez votre administrateur.`,
  providerRefused: (label) => `${label} ne vous a pas identifié. Vous pouvez réessayer.`,
  nameMissing: (label) =>
    `${label} ne dit pas quel compte est le vôtre. Demandez à votre administrateur ; ob portal explain montre pourquoi.`,
  nameTaken:
    'Le compte que votre identité désigne appartient ici à une autre identité. Demandez à votre administrateur.',
  weak: (label) =>
    `Votre identification chez ${label} est plus faible que ce qu’il faut ici. Recommencez avec un second facteur.`,
  startAgain:
    'Cette page était trop ancienne, ou a été ouverte dans un autre navigateur. Revenez en arrière et recommencez.',
  notFound: 'Cette page n’existe pas.',
  unavailable: 'Ce service n’atteint pas sa base de données. Réessayez dans une minute.',
  back: 'Recommencer',
  tooMany: 'Trop de demandes depuis votre réseau. Attendez une minute.',
}

/** RFC 9110 §12.5.4: the language with the highest weight that there is; English when none is. */
export function textsFor(header: string | undefined): Texts {
  let best: { readonly texts: Texts; readonly weight: number } = { texts: en, weight: 0 }
  for (const item of (header ?? '').slice(0, 500).split(',')) {
    const [, language, q = '1'] = /^\s*([a-z]{2})(?:-[\w-]*)?\s*(?:;\s*q=([\d.]{1,5}))?\s*$/i.exec(item) ?? []
    const texts = { en, fr }[language?.toLowerCase() ?? '']
    if (texts && Number(q) > best.weight) best = { texts, weight: Number(q) }
  }
  return best.texts
}

/** 10:31:07 UTC: a page without script does not know the reader's own clock. */
export const clockTime = (at: number): string => `${new Date(at * 1000).toISOString().slice(11, 19)} UTC`

export const dateTime = (at: number): string => new Date(at * 1000).toISOString().replace(/T(..:..).*$/, ' $1 UTC')

/** 8 h, 30 min. */
export const duration = (seconds: number): string =>
  seconds % 3600 === 0 ? `${seconds / 3600} h` : `${Math.ceil(seconds / 60)} min`
