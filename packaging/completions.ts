// Completions for bash, zsh and fish, printed from the list of modes and their arguments.
import { modes } from '../modes/run/modes.ts'

type Option = { readonly name: string; readonly takesValue: boolean; readonly description: string }
type Described = { readonly mode: string; readonly summary: string; readonly options: readonly Option[] }

async function described(): Promise<readonly Described[]> {
  const list: Described[] = []
  for (const [mode, entry] of modes) {
    // Programs start the others.
    if (entry.caller !== 'admin' || mode.includes(' ')) continue
    const { syntax } = await entry.load()
    const options = Object.entries(syntax?.args ?? {})
      .filter(([, { type }]) => type !== 'positional')
      .map(([name, { type, description }]) => ({ name, takesValue: type === 'string', description }))
    list.push({ mode, summary: entry.summary, options })
  }
  return list
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

function bash(list: readonly Described[]): string {
  const cases = list.map(({ mode, options }) => {
    const words = [...options.map(({ name }) => `--${name}`), '--help'].join(' ')
    return `    ${mode}) words="${words}" ;;`
  })
  return `# bash completion for ob(8)
_ob() {
  local current=\${COMP_WORDS[COMP_CWORD]} words
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${list.map(({ mode }) => mode).join(' ')}"
  else
    case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    *) words="" ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _ob ob
`
}

function zsh(list: readonly Described[]): string {
  const names = list.map(({ mode, summary }) => `    ${quoted(`${mode}:${summary.replaceAll(':', '\\:')}`)}`)
  const cases = list.map(({ mode, options }) => {
    const specs = options.map(({ name, takesValue, description }) =>
      quoted(
        `--${name}${takesValue ? '=' : ''}[${description.replaceAll(/[[\]]/g, '')}]${takesValue ? ':value:_files' : ''}`,
      ),
    )
    return `    ${mode}) _arguments ${[...specs, quoted('--help[show the usage]'), quoted('*:argument:_files')].join(' ')} ;;`
  })
  return `#compdef ob
local -a modes
if (( CURRENT == 2 )); then
  modes=(
${names.join('\n')}
  )
  _describe mode modes
else
  case "\${words[2]}" in
${cases.join('\n')}
  esac
fi
`
}

function fish(list: readonly Described[]): string {
  const lines = list.flatMap(({ mode, summary, options }) => [
    `complete -c ob -n __fish_use_subcommand -a ${mode} -d ${quoted(summary)}`,
    ...options.map(
      ({ name, takesValue, description }) =>
        `complete -c ob -n '__fish_seen_subcommand_from ${mode}' -l ${name}${takesValue ? ' -r' : ''} -d ${quoted(description)}`,
    ),
  ])
  return `# fish completion for ob(8)\n${lines.join('\n')}\n`
}

export async function completions(): Promise<readonly { readonly to: string; readonly text: string }[]> {
  const list = await described()
  return [
    { to: 'usr/share/bash-completion/completions/ob', text: bash(list) },
    { to: 'usr/share/zsh/vendor-completions/_ob', text: zsh(list) },
    { to: 'usr/share/fish/vendor_completions.d/ob.fish', text: fish(list) },
  ]
}
