// The lightweight build of openpgp has the types of the whole one.
declare module '*/openpgp.min.mjs' {
  export * from 'openpgp'
}
