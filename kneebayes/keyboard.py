"""The explorer by keyboard and screen reader, as a script of the page: what ipywidgets leaves undone."""

from __future__ import annotations

__all__ = ["SCRIPT"]

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
