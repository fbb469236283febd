"""The page's style sheet: no font, image or colour from anywhere else; light and dark."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #ffffff; --ink: #16202c; --soft: #556273; --line: #dfe3e8;
  --bar: #2f6fde; --track: #e8edf4;
  --new: #e09a1a; --sent: #3d7fe6; --scheduled: #12937f; --cancelled: #cf4f6b; --closed: #8d99a8;
  --other: #8357d8;
  --h1: #d9efe9; --h2: #a3dacd; --h3: #5dbfaa; --h4: #0f7d6c; --h5: #084a42;
  --on-h4: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10151b; --card: #19212a; --ink: #e8edf2; --soft: #a3b0be; --line: #2e3945;
    --bar: #6ea2f5; --track: #26313d;
    --new: #f0b44a; --sent: #6ea2f5; --scheduled: #2fbfa6; --cancelled: #ec7f96; --closed: #77869a;
    --other: #ab8bf0;
    --h1: #1d3a38; --h2: #1d5750; --h3: #21806f; --h4: #35b39c; --h5: #8ce6d2;
    --on-h4: #06201c;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 16px; }
header { padding-top: 32px; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -.02em; }
h2 { margin: 0; font-size: 1.2rem; line-height: 1.3; letter-spacing: -.01em; }
p { margin: 4px 0 0; }
.soft, footer { color: var(--soft); }
.source { overflow-wrap: anywhere; }
main { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; padding-top: 24px; }
section {
  min-width: 0; background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 20px;
}
section > p { margin-bottom: 16px; max-width: 68ch; }
dl { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; margin: 0; }
dl div {
  min-width: 0; background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 16px;
}
dt { color: var(--soft); }
dd { margin: 0; }
dd b { display: block; white-space: nowrap; font-size: 1.6rem; line-height: 1.3; letter-spacing: -.02em; }
.scroll { overflow-x: auto; margin: 0 -20px -8px; padding: 0 20px 8px; }
.scroll:focus-visible { outline: 3px solid var(--bar); outline-offset: -3px; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption, .hidden {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
th, td { padding: 8px 12px 8px 0; text-align: start; vertical-align: top; border-top: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
thead th { border-top: 0; color: var(--soft); font-weight: 500; white-space: nowrap; vertical-align: bottom; }
tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 7.5em; }
td { overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; }
.moment, .duration { white-space: nowrap; }
td.text { min-width: 6.5em; }
.share { text-align: right; white-space: nowrap; width: 26%; }
.few .share { width: 45%; }
.share bdi { display: inline-block; min-width: 3em; }
.bar {
  display: inline-block; width: calc(100% - 3.2em); height: 8px; border-radius: 4px; vertical-align: 1px;
  background: var(--track); overflow: hidden;
}
.share.of { width: 38%; }
.of bdi { min-width: 7em; }
.of .bar { width: calc(100% - 7.2em); }
.bar i { display: block; height: 100%; border-radius: 4px; background: var(--bar); }
svg { display: block; width: 100%; }
.strip { height: 22px; border-radius: 7px; margin-bottom: 12px; }
.strip rect { stroke: var(--card); stroke-width: 2px; vector-effect: non-scaling-stroke; }
.plot rect { stroke: var(--card); stroke-width: 1.5px; vector-effect: non-scaling-stroke; }
.plot rect.grid { fill: var(--line); stroke: none; }
.s-new { fill: var(--new); background: var(--new); }
.s-sent { fill: var(--sent); background: var(--sent); }
.s-scheduled { fill: var(--scheduled); background: var(--scheduled); }
.s-cancelled { fill: var(--cancelled); background: var(--cancelled); }
.s-closed { fill: var(--closed); background: var(--closed); }
.s-other { fill: var(--other); background: var(--other); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 16px 0 0; padding: 0; list-style: none; }
.legend li { display: flex; align-items: center; gap: 8px; min-width: 0; overflow-wrap: anywhere; }
.dot { display: inline-block; flex: none; width: 14px; height: 14px; border-radius: 4px; }
td .dot, th .dot { margin-inline-end: 8px; vertical-align: -2px; }
td.code, .status { white-space: nowrap; }
.columns { display: grid; grid-template-columns: auto minmax(0, 1fr); column-gap: 10px; padding-top: 12px; }
.columns .plot { height: 260px; border-bottom: 1px solid var(--soft); }
.y {
  display: flex; flex-direction: column; justify-content: space-between; margin: -12px 0; text-align: right;
}
.y, .x { color: var(--soft); line-height: 24px; font-variant-numeric: tabular-nums; }
.x { grid-column: 2; display: flex; margin-top: 6px; }
.x span { flex: 1 1 0; width: 0; display: flex; justify-content: center; white-space: nowrap; }
.x.crowded .minor { visibility: hidden; }
.heat {
  table-layout: fixed; border-collapse: separate; border-spacing: 3px; margin: 0 -3px;
  width: calc(100% + 6px);
}
.heat th, .heat td { padding: 4px 0; border: 0; text-align: center; min-width: 0; white-space: nowrap; }
.heat th { color: var(--soft); font-weight: 500; overflow-wrap: normal; }
.heat thead th:first-child, .heat tbody th { width: 3.4rem; text-align: start; }
.heat td { height: 36px; border-radius: 6px; background: var(--track); vertical-align: middle; }
.heat .h1 { background: var(--h1); } .heat .h2 { background: var(--h2); }
.heat .h3 { background: var(--h3); }
.heat .h4 { background: var(--h4); color: var(--on-h4); }
.heat .h5 { background: var(--h5); color: var(--on-h4); }
details { margin-top: 16px; }
summary { cursor: pointer; color: var(--soft); padding: 4px 0; }
footer { padding-top: 24px; padding-bottom: 40px; }
@media (max-width: 699px) {
  .x .minor { visibility: hidden; }
  .x span:last-child { justify-content: flex-end; }
  section, dl div { padding: 16px; }
  dl { gap: 12px; }
  dd b { font-size: 1.3rem; }
  th, td { padding-right: 8px; }
  tbody th { min-width: 6.2em; }
  thead th { white-space: normal; }
  table:not(.few) .bar { display: none; }
  table:not(.few) .share { width: auto; }
  .requests, .requests tbody { display: block; }
  .requests thead {
    position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  }
  .requests tr {
    display: flex; flex-wrap: wrap; gap: 2px 16px; padding: 12px 0; border-top: 1px solid var(--line);
  }
  .requests tr:first-child { border-top: 0; padding-top: 0; }
  .requests th, .requests td { border: 0; padding: 0; }
  .requests th { flex: 1 1 auto; font-weight: 700; }
  .requests td { flex: 1 0 100%; white-space: normal; }
  .requests td.status { flex: none; }
  .requests td:not(.status)::before { content: attr(data-label) " "; color: var(--soft); }
  .scroll { margin: 0 -16px -8px; padding: 0 16px 8px; }
}
@media (min-width: 700px) {
  dl { grid-template-columns: repeat(4, minmax(0, 1fr)); }
}
@media (min-width: 960px) {
  main { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .wide { grid-column: 1 / -1; }
}
@media print {
  body { background: none; }
  section { break-inside: avoid; }
}
"""
