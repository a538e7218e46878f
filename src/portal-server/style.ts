// How the pages look: no image, no font and no script from anywhere; light and dark, phone and desk.

export const style = `
:root { color-scheme: light dark; --paper: #fff; --ground: #eef1f5; --ink: #17202b; --soft: #51606f; --line: #c9d2dc;
  --main: #0b5cad; --main-ink: #fff; --warn: #fff4d6; --warn-line: #b7791f; --code: #f4f7fb; }
@media (prefers-color-scheme: dark) { :root { --paper: #18212c; --ground: #0e141b; --ink: #e8eef5; --soft: #a9b7c6;
  --line: #3a4858; --main: #7cb8ff; --main-ink: #0b1724; --warn: #3a2f10; --warn-line: #e0b04a; --code: #101822; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1.0625rem/1.5 system-ui, sans-serif; }
header, footer { max-width: 40rem; margin: 0 auto; padding: 1rem 1.25rem; display: flex; flex-wrap: wrap;
  gap: .5rem 1rem; align-items: center; justify-content: space-between; color: var(--soft); }
header strong { color: var(--ink); }
main { max-width: 40rem; margin: 0 auto; padding: 1.5rem 1.25rem; background: var(--paper); 
  border: 1px solid var(--line); border-radius: .75rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.125rem; margin: 2rem 0 .25rem; }
p { margin: .5rem 0 1rem; }
dl { margin: 1rem 0; display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .5rem 1.25rem;
  border-block: 1px solid var(--line); padding: 1rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
dd small, td small { display: block; color: var(--soft); font-size: .9375rem; }
.host { font-weight: 700; }
.note { background: var(--warn); border-left: .3rem solid var(--warn-line); padding: .75rem 1rem;
  border-radius: .25rem; }
.buttons { display: grid; gap: 1rem; margin-top: 1.25rem; }
button, .button { font: inherit; font-weight: 600; min-height: 3rem; padding: .6rem 1.25rem; border-radius: .5rem;
  border: 2px solid var(--main); background: var(--paper); color: var(--main); cursor: pointer; text-align: center;
  text-decoration: none; display: inline-block; }
button.first, .button.first { background: var(--main); color: var(--main-ink); }
button:hover, .button:hover { filter: brightness(1.08); text-decoration: underline; }
:focus-visible { outline: 3px solid var(--warn-line); outline-offset: 3px; }
label.choice { display: flex; gap: .75rem; align-items: flex-start; }
label.choice input { width: 1.25rem; height: 1.25rem; margin: .15rem 0 0; flex: none; }
#code { display: block; margin: 1rem 0; padding: 1rem; text-align: center; background: var(--code);
  border: 1px solid var(--line); border-radius: .5rem; font: 700 clamp(1.6rem, 8vw, 2.5rem)/1.2 ui-monospace, monospace;
  letter-spacing: .06em; user-select: all; }
.list { list-style: none; margin: .5rem 0; padding: 0; }
.list li { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; justify-content: space-between;
  border-top: 1px solid var(--line); padding: .75rem 0; }
.list small { display: block; color: var(--soft); font-size: .9375rem; overflow-wrap: anywhere; }
.list div { flex: 1 1 14rem; overflow-wrap: anywhere; }
.list button { min-height: 2.5rem; padding: .3rem 1rem; }
header form { margin: 0; }
header button { min-height: 2.25rem; padding: .2rem .9rem; border-width: 1px; font-weight: 500; }
a { color: var(--main); }
@media (max-width: 34rem) { main { border-radius: 0; border-inline: 0; } button, .buttons .button { width: 100%; }
  header button, .list button { width: auto; } dl { grid-template-columns: max-content 1fr; gap: .5rem .9rem; } }
@media (forced-colors: active) { main, button, .note { border: 2px solid; } }
`.trim()
