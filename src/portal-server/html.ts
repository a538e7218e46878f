// Templates that escape what they are given: the only way text becomes a page.
import type { html as template } from 'hono/html'

export { html } from 'hono/html'
/** Made by a template, so what was put into it is escaped. */
export type Html = ReturnType<typeof template>
