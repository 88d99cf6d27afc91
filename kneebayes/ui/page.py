"""What the explorer shows, as HTML: banner, bars, reasons, code. Every word is escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kneebayes.plots.style import percent

if TYPE_CHECKING:
    from kneebayes.diagnosis.diagnosis import Diagnosis
    from kneebayes.diagnosis.explanation import Explanation
    from kneebayes.diagnosis.uncertainty import Uncertainty

__all__ = [
    "SCRIPT",
    "STYLE",
    "banner",
    "bars",
    "code_box",
    "details",
    "message",
    "reasons",
    "text",
]

# Runs once in each view, as a style's `onload`: pages of widgets run no script element.
# - Jupyter would take a key pressed here for one of its shortcuts: an arrow leaves for the next cell, x cuts this one.
#   Its selectors match what has the focus itself, so that is where the mark has to be that stops them.
# - A row of yes, no and ? is one stop of Tab; arrows move within it, and up and down to the rows above and below.
# - A screen reader is told which answer is pressed, and of which question.
SCRIPT = """
const page = this.closest('.kb-explorer');
if (page && !page.dataset.keys) {
  page.dataset.keys = 'own';
  page.addEventListener('focusin', event => event.target.setAttribute('data-lm-suppress-shortcuts', 'true'));
  const rows = () => [...page.querySelectorAll('.kb-three')];
  const tell = row => {
    row.setAttribute('role', 'group');
    row.setAttribute('aria-label', row.querySelector('label').textContent);
    for (const button of row.querySelectorAll('button')) {
      const pressed = button.classList.contains('mod-active');
      button.setAttribute('aria-pressed', pressed);
      button.tabIndex = pressed ? 0 : -1;
    }
  };
  const heads = () => page.querySelectorAll('.kb-group').forEach(
    head => head.setAttribute('aria-expanded', head.classList.contains('mod-active')));
  const all = () => { rows().forEach(tell); heads(); };
  new MutationObserver(all).observe(page, {subtree: true, attributes: true, attributeFilter: ['class']});
  new MutationObserver(changes => {
    if (changes.some(change => [...change.addedNodes].some(node => node.querySelector?.('.kb-three, .kb-group')
        || node.matches?.('.kb-three, .kb-group, .kb-three *')))) all();
  }).observe(page, {subtree: true, childList: true});
  page.addEventListener('keydown', event => {
    const row = event.target.closest('.kb-three');
    if (!row || event.target.tagName !== 'BUTTON') return;
    const [buttons, seen] = [[...row.querySelectorAll('button')], rows().filter(other => other.offsetParent)];
    const [across, down] = [buttons.indexOf(event.target), seen.indexOf(row)];
    const to = {
      ArrowLeft: buttons[across - 1], ArrowRight: buttons[across + 1],
      ArrowUp: seen[down - 1]?.querySelectorAll('button')[across],
      ArrowDown: seen[down + 1]?.querySelectorAll('button')[across],
    }[event.key];
    if (event.key.startsWith('Arrow')) { event.preventDefault(); to?.focus(); }
  });
  all();
}
"""


STYLE = (
    f'<style onload="{html.escape(SCRIPT)}">'
    + """
.kb-explorer { container-type: inline-size; --kb-ink: #1d1d1f; --kb-line: #c9ccd1; --kb-blue: #2f5f94; gap: 0;
  color: var(--kb-ink); background: #fff; border: 1px solid var(--kb-line); border-radius: 6px; overflow: clip;
  color-scheme: light; }
/* the alarm sticks to the top of whatever scrolls, if nothing in between cuts off what overflows */
:is(.jp-OutputArea, .jp-OutputArea-child, .jp-OutputArea-output, .jp-Cell-outputWrapper, .jp-Cell):has(.kb-explorer) {
  overflow: visible; contain: none; }
.kb-explorer * { box-sizing: border-box; }
.kb-explorer .widget-html-content, .kb-explorer .jupyter-widgets-html-content { line-height: 1.4; font-size: 14px;
  color: var(--kb-ink); }
.kb-explorer .jupyter-widgets { margin: 0; }
.kb-explorer .kb-banner { flex: none; width: 100%; position: sticky; top: 0; z-index: 2; overflow: visible; }
.kb-alarm { padding: 8px 14px; border-left: 10px solid; border-bottom: 1px solid var(--kb-line); color: var(--kb-ink); }
.kb-alarm b { font-size: 17px; letter-spacing: .02em; }
.kb-alarm p { margin: 2px 0 0; }
.kb-low { background: #f4f6f4; border-left-color: #8a938a; }
.kb-not_assessed { background: #eef0f3; border-left-color: #5f6773; }
.kb-caution { background: #fff1cf; border-left-color: #b97a00; }
.kb-urgent { background: #fbdcd4; border-left-color: #b3260a; }
.kb-explorer .kb-alarm.kb-emergency { background: #5a0f0f; border-left-color: #000; color: #fff; }
.kb-explorer .kb-columns { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.15fr); flex: 1 1 auto;
  min-height: 0; width: 100%; }
.kb-explorer .kb-pane { overflow: auto; padding: 10px 14px; min-height: 0; height: 100%; display: block; }
.kb-explorer .kb-pane > * { width: 100%; }
.kb-explorer .kb-evidence { border-right: 1px solid var(--kb-line); }
.kb-explorer h4 { margin: 14px 0 6px; font-size: 15px; }
.kb-explorer .jupyter-button.kb-group { width: 100%; text-align: left; font-weight: 600; margin: 6px 0 2px;
  height: 34px;
  background-color: #e4e8ee; border: 0; color: var(--kb-ink); box-shadow: none; border-radius: 3px; }
.kb-explorer .kb-body { padding: 0 2px 6px; }
.kb-explorer .kb-row { display: flex; align-items: center; flex-wrap: wrap; width: 100%; height: auto;
  border-bottom: 1px solid #eceef0; padding: 2px 0; min-height: 36px; overflow: visible; }
.kb-explorer .kb-row > label { flex: 1 1 11em; width: auto; min-width: 9em; max-width: none; white-space: normal;
  text-align: left; line-height: 1.25; height: auto; font-size: 14px; color: var(--kb-ink); overflow: visible; }
.kb-explorer .kb-row .widget-toggle-button, .kb-explorer .kb-row .jupyter-button { min-width: 44px; width: auto;
  height: 30px; line-height: 28px; padding: 0 10px; margin: 2px; border: 1px solid #8a8f98; border-radius: 3px;
  box-shadow: none; }
.kb-explorer .jupyter-button, .kb-explorer .jupyter-widgets select, .kb-explorer .jupyter-widgets input[type="text"] {
  background-color: #fff; color: var(--kb-ink); }
.kb-explorer .jupyter-button:hover { background-color: #eef3f9; }
.kb-explorer .kb-tools .jupyter-button { border: 1px solid #8a8f98; border-radius: 3px; }
.kb-explorer .kb-row select, .kb-explorer .kb-row input { flex: 0 1 13em; width: 13em; min-width: 8em;
  height: 30px; }
.kb-explorer .kb-row .jupyter-button.mod-active { background: var(--kb-blue); border-color: var(--kb-blue); color: #fff;
  font-weight: 600; }
.kb-explorer .kb-three .jupyter-button:last-child.mod-active { background: #e4e7eb; color: #333; font-weight: 400; }
.kb-explorer button:focus-visible, .kb-explorer select:focus-visible, .kb-explorer input:focus-visible {
  outline: 3px solid #c25700; outline-offset: 1px; }
.kb-explorer .kb-tools { display: flex; flex-wrap: nowrap; gap: 6px; align-items: center; overflow: hidden; }
.kb-explorer .kb-tools .widget-dropdown { flex: 1 1 10em; width: auto; min-width: 0; }
.kb-explorer .kb-tools .jupyter-button { flex: none; width: 6em; }
.kb-explorer .kb-asked { flex-wrap: nowrap; }
.kb-explorer .kb-asked .widget-html { flex: 1 1 auto; width: auto; min-width: 0; }
.kb-explorer .kb-asked .jupyter-button, .kb-explorer .kb-asked .widget-dropdown { flex: none; }
.kb-bar { display: grid; grid-template-columns: minmax(7em, 12em) minmax(5em, 1fr) 10em; gap: 12px; align-items: center;
  padding: 3px 0; }
.kb-bar.kb-own { font-weight: 600; }
.kb-track { position: relative; height: 18px; background: #eef0f3; border-radius: 2px; }
.kb-fill { position: absolute; inset: 0 auto 0 0; background: var(--kb-blue); border-radius: 2px;
  animation: kb-move .25s ease-out; }
.kb-own .kb-fill { background: repeating-linear-gradient(45deg, #b3260a 0 6px, #d9674f 6px 9px); }
.kb-prior { position: absolute; top: -3px; bottom: -3px; width: 3px; margin-left: -1px; background: #111; }
.kb-range { position: absolute; top: 8px; height: 2px; background: #111; outline: 1px solid #fff; }
.kb-range::before, .kb-range::after { content: ""; position: absolute; top: -4px; height: 10px; width: 2px;
  background: #111; outline: 1px solid #fff; }
.kb-range::before { left: 0; } .kb-range::after { right: 0; }
.kb-number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.kb-bar small { color: #555; font-weight: 400; }
@keyframes kb-move { from { width: var(--from); } }
@media (prefers-reduced-motion: reduce) { .kb-fill { animation: none; } }
.kb-old { opacity: .4; }
.kb-note { color: #555; font-size: 12.5px; margin: 4px 0; }
.kb-problem { border-left: 4px solid #b97a00; background: #fff7e3; padding: 4px 8px; margin: 6px 0; }
.kb-explorer ul { margin: 2px 0 6px; padding-left: 20px; }
.kb-explorer pre { background: #f4f5f7; padding: 8px 10px; margin: 4px 0; white-space: pre-wrap; font-size: 12.5px;
  overflow-wrap: anywhere; }
.kb-copy { border: 1px solid var(--kb-line); background: #fff; border-radius: 3px; padding: 5px 12px; cursor: pointer;
  font: inherit; color: inherit; }
@container (max-width: 640px) {
  .kb-explorer .kb-columns { display: block; overflow: auto; }
  .kb-explorer .kb-pane { height: auto; overflow: visible; padding: 8px 10px; }
  .kb-explorer .kb-evidence { border-right: 0; }
  .kb-bar { grid-template-columns: 8.5em minmax(4em, 1fr) 6.5em; gap: 6px; }
  .kb-number small { display: block; font-size: 11.5px; }
  .kb-alarm { padding: 6px 8px; } .kb-alarm p { font-size: 13px; line-height: 1.3; }
}
</style>"""
)
# a page without a secure origin has no clipboard: there the text gets selected, to be copied by hand
COPY = (
    "const box=this.parentNode.querySelector('pre');const text=box.textContent;"
    "(navigator.clipboard?navigator.clipboard.writeText(text):Promise.reject())"
    ".then(()=>{this.textContent='Copied'},"
    "()=>{getSelection().selectAllChildren(box);this.textContent='Selected: press Ctrl+C'})"
)


def banner(dx: Diagnosis) -> str:
    """Write the alarm and what is likeliest.

    Parameters
    ----------
    dx : Diagnosis
        The case.

    Returns
    -------
    str
        HTML.
    """
    ranked = sorted(dx.probabilities.items(), key=lambda item: -item[1])[:2]
    likeliest = ", ".join(f"{dx.label(name)} {percent(p)}" for name, p in ranked)
    level, cause = dx.alarm.level, dx.label(dx.model.alarm.cause)
    return (
        f'<div class="kb-alarm kb-{level}" role="status" aria-live="polite" data-level="{level}">'
        f"<b>{text(level.replace('_', ' ').upper())}</b> &nbsp; {text(cause)}: {percent(dx.alarm.probability)}"
        f"<p>{text(dx.alarm.advice)}</p><p>Likeliest: {text(likeliest)}</p></div>"
    )


def bars(
    dx: Diagnosis, priors: Mapping[str, float], before: Mapping[str, float], sure: Uncertainty | None = None
) -> str:
    """Write the posteriors as bars that move from where they were.

    Parameters
    ----------
    dx : Diagnosis
        The case.
    priors, before : mapping of str to float
        By cause: with nothing known, and where the bars start from.
    sure : Uncertainty, optional
        The intervals, once they are there.

    Returns
    -------
    str
        HTML; the cause of the alarm comes first, then model order, so that a
        bar keeps its place.
    """
    own = dx.model.alarm.cause
    ends = {}
    if sure is not None:
        ends = dict(zip(sure.network.columns, zip(sure.low.tolist(), sure.high.tolist(), strict=True), strict=True))
    rows = []
    for name in [own, *(name for name in dx.probabilities if name != own)]:
        p = dx.probabilities[name]
        track = (
            f'<div class="kb-fill" style="--from:{100 * before.get(name, p):.2f}%;width:{100 * p:.2f}%"></div>'
            f'<div class="kb-prior" style="left:{100 * priors[name]:.2f}%" title="with nothing known: '
            f'{percent(priors[name])}"></div>'
        )
        said = f"{percent(p)}"
        if name in ends and ends[name][0] == ends[name][0]:
            low, high = ends[name]
            track += f'<div class="kb-range" style="left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"></div>'
            said += f" <small>{percent(low)}&ndash;{percent(high)}</small>"
        label = text(dx.label(name))
        for state in dx.model.causes[name].states[2:] if name in dx.model.causes else ():
            word = dx.model.causes[name].say(state)
            label += f" <small>({text(word)} {percent(dx.details[f'{name}_{state}'])})</small>"
        rows.append(
            f'<div class="kb-bar{" kb-own" if name == own else ""}" data-cause="{text(name)}" data-p="{p:.9f}">'
            f'<span>{label}</span><div class="kb-track">{track}</div>'
            f'<span class="kb-number">{said}</span></div>'
        )
    note = "Black tick: with nothing known but the complaint. Causes may coexist."
    note += f" Line: {sure.level:.0%} of plausible models." if sure is not None else ""
    return f'<h4>How likely</h4>{"".join(rows)}<p class="kb-note">{note}</p>'


def reasons(dx: Diagnosis) -> str:
    """Write why the alarm is what it is, red flags and warnings.

    Parameters
    ----------
    dx : Diagnosis
        The case.

    Returns
    -------
    str
        HTML.
    """
    flags = ", ".join(dx.label(name) for name in dx.red_flags)
    return (
        f"<h4>Why this alarm</h4>{_list(dx.alarm.reasons)}"
        + (f"<p><b>Red flags:</b> {text(flags)}</p>" if flags else "")
        + "".join(message(warning) for warning in dx.warnings)
    )


def details(explanations: Sequence[Explanation], sure: Uncertainty | None) -> str:
    """Write what moved which cause, and how sure the alarm is.

    Parameters
    ----------
    explanations : sequence of Explanation
        One for each cause to speak of.
    sure : Uncertainty or None
        Of the same case.

    Returns
    -------
    str
        HTML.
    """
    parts = [] if sure is None else [f"<p>{text(sure.sentence)}</p>"]
    for explanation in explanations:
        first, *rest = str(explanation).splitlines()
        parts.append(f"<h4>{text(first)}</h4>{_list([line.strip() for line in rest] or ['Nothing known yet.'])}")
    return "".join(parts)


def code_box(code: str, disclaimer: str) -> str:
    """Write the case as code, with a button that copies it.

    Parameters
    ----------
    code : str
        Python.
    disclaimer : str
        What stands under all of it.

    Returns
    -------
    str
        HTML.
    """
    return (
        f'<h4>As code</h4><div><pre>{text(code)}</pre><button type="button" class="kb-copy" '
        f'onclick="{text(COPY)}">Copy as code</button></div><p class="kb-note">{text(disclaimer)}</p>'
    )


def message(said: str) -> str:
    """Write what went wrong, or nothing.

    Parameters
    ----------
    said : str
        One sentence, or empty.

    Returns
    -------
    str
        HTML.
    """
    return f'<p class="kb-problem" role="alert">{text(said)}</p>' if said else ""


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{text(line)}</li>' for line in lines)}</ul>"


def text(words: str) -> str:
    """Escape words.

    Parameters
    ----------
    words : str
        As they are.

    Returns
    -------
    str
        HTML.
    """
    return html.escape(words)
