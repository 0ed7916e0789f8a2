//! The style of the page: sober, readable in print, never colour alone.

/// The style sheet. `head` is printed at the top of each sheet of paper, `foot` at its bottom.
pub(super) fn sheet(head: &str, foot: &str) -> String {
    let quoted = |text: &str| text.replace(['"', '\\', '<', '\n'], " ");
    let (head, foot) = (quoted(head), quoted(foot));
    format!(
        "@page{{size:A4;margin:19mm 15mm 17mm;\
         @top-center{{content:\"{head}\";font:8pt {SANS};color:#8a1c1c}}\
         @bottom-left{{content:\"{foot}\";font:7.5pt {SANS};color:#555}}\
         @bottom-right{{content:counter(page) \" / \" counter(pages);font:8pt {SANS};color:#555}}}}{RULES}"
    )
    .replace("SANS", SANS)
    .replace("SERIF", SERIF)
}

const SANS: &str = "'Noto Sans CJK JP','Noto Sans JP','Hiragino Sans','Hiragino Kaku Gothic ProN','Yu Gothic','YuGothic',Meiryo,sans-serif";
const SERIF: &str = "'Noto Serif CJK JP','Noto Serif JP','Hiragino Mincho ProN','Yu Mincho','YuMincho',serif";

const RULES: &str = "
:root{--ink:#1b1b1b;--soft:#555;--line:#b9bec4;--faint:#eef0f2;--bad:#a3121f;--late:#8a4b00;--gap:#5a3d8a;--ok:#1d5f3a;--open:#1d4f86}
*{box-sizing:border-box}
html{font:15px/1.65 SANS;color:var(--ink);background:#fff;-webkit-print-color-adjust:exact;print-color-adjust:exact;line-break:strict}
body{max-width:800px;margin:0 auto;padding:28px 24px 60px}
h1,h2{font-family:SERIF;font-weight:700;letter-spacing:.04em}
h1{font-size:1.85rem;text-align:center;margin:.4em 0 .1em;line-height:1.35}
.subtitle{text-align:center;font-size:1.05rem;margin:0 0 1.1em}
h2{font-size:1.22rem;border-bottom:2px solid var(--ink);padding-bottom:.2em;margin:2.1em 0 .7em;break-after:avoid}
h3{font-size:1rem;margin:1.4em 0 .4em;break-after:avoid}
p{margin:.4em 0 .7em}
.note{color:var(--soft);font-size:.86rem;line-height:1.55}
table .note{font-size:.95em;line-height:inherit}
.banner{border:3px double var(--bad);color:var(--bad);text-align:center;padding:.5em 1em;margin:0 0 1em;font-weight:700}
.banner b{font-size:1.3rem;letter-spacing:.3em;margin-left:.3em}
.banner span{display:block;font-weight:400;font-size:.9rem}
dl.head{display:grid;grid-template-columns:max-content 1fr;margin:0;border-top:1px solid var(--line);font-size:.93rem}
dl.head dt,dl.head dd{padding:.28em .6em;border-bottom:1px solid var(--line);margin:0}
dl.head dt{background:var(--faint);white-space:nowrap}
code{font-family:'SFMono-Regular',Menlo,Consolas,'DejaVu Sans Mono','Noto Sans Mono CJK JP',monospace;font-size:.88em;overflow-wrap:anywhere}
.hash{font-size:.78em}
.answer{border:2px solid var(--ink);border-left-width:9px;padding:.75em 1em;margin:.6em 0 1em;font-size:1.16rem;font-weight:700;line-height:1.7;break-inside:avoid;word-break:auto-phrase}
.answer.bad{border-color:var(--bad)}.answer.late{border-color:var(--late)}.answer.gap{border-color:var(--gap)}
.answer.ok{border-color:var(--ok)}.answer.open{border-color:var(--open)}
.cards{display:grid;grid-template-columns:repeat(4,1fr);gap:8px;margin:.4em 0 1em;break-inside:avoid}
.card{border:1px solid var(--line);border-top-width:4px;padding:.4em .6em .5em}
.card span{display:block;font-size:.82rem;line-height:1.4}
.card b{font-size:1.55rem;font-variant-numeric:tabular-nums;line-height:1.2}
.card.bad{border-top-color:var(--bad)}.card.late{border-top-color:var(--late)}.card.unproven{border-top-color:#6b5200}.card.gap{border-top-color:var(--gap)}
.card.zero b{color:var(--soft)}
.two{display:grid;grid-template-columns:1.15fr 1fr;gap:18px;align-items:start}
table{border-collapse:collapse;width:100%;font-size:.84rem;line-height:1.5;margin:.4em 0 1em}
caption{text-align:left;font-weight:700;padding:.2em 0}
th,td{border:1px solid var(--line);padding:.28em .5em;text-align:left;vertical-align:top}
thead{display:table-header-group}
thead th{background:var(--faint);font-weight:700;vertical-align:bottom}
tr{break-inside:avoid}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}table.fixed th.n{white-space:normal}
h2+.note,h3+.note{break-after:avoid}
td.zero{color:#8a8a8a}
th[scope=row]{font-weight:400}
tr.sum td,tr.sum th{border-top:2px solid var(--ink);font-weight:700}
tr.set td,tr.set th{background:var(--faint);font-weight:400;break-after:avoid}
tbody.group{break-inside:auto}
.nw{white-space:nowrap}
.iso{color:var(--soft);font-size:.87em;white-space:nowrap;letter-spacing:-.01em}
table.fixed{table-layout:fixed}
table.fixed th,table.fixed td{overflow-wrap:anywhere}
.bad-t{color:var(--bad);font-weight:700}.late-t{color:var(--late);font-weight:700}.unproven-t{color:#6b5200;font-weight:700}.gap-t{color:var(--gap);font-weight:700}.ok-t{color:var(--ok)}.open-t{color:var(--open)}
.narrow{font-size:.78rem}
.narrow th,.narrow td{padding:.24em .38em}
figure{margin:.6em 0 1em;break-inside:avoid}
figcaption{font-size:.86rem;color:var(--soft);margin-bottom:.3em}
svg.flow{display:block;width:100%;height:auto;border:1px solid var(--line)}
.flow text{font-family:SANS;fill:var(--ink)}
.flow .n{font-weight:700;paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}
.flow text.t{fill:#333;paint-order:stroke;stroke:#fff;stroke-width:2.4px;stroke-linejoin:round}
.flow .lane{fill:#fff}.flow .lane.even{fill:#f4f6f8}
.flow .life{stroke:#c3c9cf;stroke-width:1;stroke-dasharray:2 3}
.flow .rule{stroke:#d8dce0;stroke-width:.7}
.flow .sys{stroke:#8a9199;stroke-width:.9;fill:#fff}
.flow .sys.none{stroke-dasharray:3 2}
.flow .sys.bad{stroke:var(--bad);stroke-width:1.8;fill:#fdeeee}.flow .sys.gap{stroke:var(--gap);stroke-width:1.4;fill:#f4f0fa}
.flow .sys.open{stroke:var(--open);stroke-width:1.2;fill:#eef4fb}.flow .sys.clear{stroke:var(--ok);fill:#f0f8f3}
.flow text.bad{fill:var(--bad);font-weight:700}.flow text.gap{fill:var(--gap);font-weight:700}.flow text.open{fill:var(--open)}.flow text.clear{fill:var(--ok)}.flow text.none{fill:#6a6a6a}
.flow .arrow{stroke:#222;stroke-width:1.3;fill:none}.flow .arrow.moves{stroke-width:2.6}.flow .arrow.relays{stroke-dasharray:6 3}.flow .arrow.unused{stroke:#8a8a8a;stroke-dasharray:2 3}
.flow .dot{fill:#222}.flow marker path{fill:#222}
ol.plain,ul.plain{padding-left:1.5em;margin:.3em 0 1em}
ol.plain li,ul.plain li{margin:.3em 0;word-break:auto-phrase}
.proof{display:grid;grid-template-columns:1fr 1fr;gap:14px}
.proof>div{border:1px solid var(--line);border-top:4px solid var(--ok);padding:.2em .9em .4em}
.proof>div.not{border-top-color:var(--bad)}
.proof h3{margin:.6em 0 .2em}
pre{background:var(--faint);border:1px solid var(--line);padding:.45em .7em;white-space:pre-wrap;overflow-wrap:anywhere;margin:.3em 0;font-size:.82rem;line-height:1.5}
footer{margin-top:2.5em;border-top:1px solid var(--line);padding-top:.6em;font-size:.82rem;color:var(--soft)}
@media (max-width:640px){body{padding:14px 12px}.two,.proof{grid-template-columns:1fr}.cards{grid-template-columns:1fr 1fr}table{display:block;overflow-x:auto}}
@media print{html{font-size:9.4pt;line-height:1.55}h3{margin-top:1.1em}.two{gap:14px}.two td,.two th{padding:.14em .5em}body{max-width:none;padding:0}h2{margin-top:1.6em}.first{break-before:page}footer{break-inside:avoid}.proof{break-inside:avoid}}
";
