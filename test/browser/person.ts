// What a person does in the browser: sign in at the provider, look, press a button, read the code.
import type { Page } from './parts.ts'

/** Opens the address and signs in at the provider where that is asked for. */
export async function signIn(page: Page, url: string, name: string): Promise<void> {
  await page.goto(url)
  await page.click('a[data-provider]')
  await page.fill('input[name=login]', name)
  await page.fill('input[name=password]', 'any')
  await page.click('button[type=submit]')
  // Consent of the provider.
  await page.click('button[type=submit]')
  await page.waitForSelector('header strong')
}

/** The person leaves the provider, as "log out" there does. */
export async function logOutAtProvider(page: Page, issuer: string): Promise<void> {
  await page.goto(`${issuer}/session/end`)
  await page.click('button[value=yes]')
  await page.waitForLoadState('networkidle')
}

export const heading = async (page: Page): Promise<string> => (await page.textContent('h1')) ?? ''

export async function pressMine(page: Page, remember = false): Promise<string> {
  if (remember) await page.check('input[name=remember]')
  await page.click('button[value=confirm]')
  return (await page.textContent('#code'))?.trim() ?? ''
}
