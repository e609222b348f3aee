"""The style of the report: one column of text, figures side by side where there is room, light and dark, on paper."""

from __future__ import annotations

__all__ = ["BRIEF", "STYLE"]

# A notebook brings its own colours and fonts.
BRIEF = """
.vaekit table { border-collapse: collapse; margin: .6em 0; }
.vaekit th, .vaekit td { text-align: left; padding: .25em .8em .25em 0; vertical-align: top; white-space: normal; }
.vaekit td.value { white-space: nowrap; font-variant-numeric: tabular-nums; }
.vaekit svg.panel { width: 100%; height: auto; }
.vaekit svg.panel * { stroke-linejoin: round; stroke-linecap: butt; }
.vaekit figure { margin: .6em 0; }
"""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #57606a; --paper: #ffffff; --card: #f5f7f9; --line: #d5dae0;
  --accent: #1f63a8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --quiet: #a3adb8; --paper: #14171b; --card: #1d2228; --line: #363d46; --accent: #7db8f0; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 74rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: break-word; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: .4em 0; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
p, figcaption, li { max-width: 46rem; }
a { color: var(--accent); }
nav { font-size: .93rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; margin: 0; padding: 0; }
.lead { font-size: 1.06rem; }
.note { border-left: 4px solid var(--accent); padding: .5rem .9rem; background: var(--card); max-width: 46rem; }
table { border-collapse: collapse; width: 100%; max-width: 62rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .9rem .4rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
td { overflow-wrap: anywhere; }
td.value { overflow-wrap: normal; }
#numbers th { white-space: nowrap; }
td.value { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.why { color: var(--quiet); }
figure { margin: 0; }
figcaption { color: var(--quiet); font-size: .95rem; margin-top: .6rem; }
.panels { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start; }
svg.panel { display: block; width: 100%; height: auto; flex: 0 1 auto; }
svg.panel * { stroke-linejoin: round; stroke-linecap: butt; }
details { border-bottom: 1px solid var(--line); padding: .4rem 0; }
summary { cursor: pointer; font-weight: 600; padding: .2rem 0; }
details th { font-weight: 400; color: var(--quiet); width: 13rem; }
pre { background: var(--card); padding: .8rem 1rem; border-radius: 6px; overflow-x: auto; font-size: .85rem;
  white-space: pre-wrap; }
footer { margin-top: 2.5rem; color: var(--quiet); font-size: .88rem; }
@media (min-width: 66rem) {
  main { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); column-gap: 3rem; }
  main > * { grid-column: 1 / -1; }
  main > section.half { grid-column: auto; }
}
@media (max-width: 40rem) {
  body { font-size: 15px; }
  #numbers table, #numbers tbody, #numbers tr, #numbers th, #numbers td { display: block; border: 0; padding: 0; }
  #numbers thead { position: absolute; left: -99rem; }
  #numbers tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  details th { width: 40%; }
}
@media print {
  :root { --ink: #000; --quiet: #333; --paper: #fff; --card: #fff; --line: #bbb; }
  body { font-size: 10.5pt; }
  nav { display: none; }
  main { display: block; }
  svg.panel, tr, h2 { break-inside: avoid; }
  h2 { break-after: avoid; }
  pre { border: 1px solid var(--line); }
}
"""
