// What the explorer's page does by itself, once in each view of it.

// - Jupyter would take a key pressed here for one of its shortcuts: an arrow leaves for the next cell, x cuts this one.
//   Its selectors match what has the focus itself, so that is where the mark has to be that stops them.
// - A row of yes, no and ? is one stop of Tab; arrows move within it, and up and down to the rows above and below.
// - A screen reader is told which answer is pressed, and of which question.
// - The case is copied as code. A page without a secure origin has no clipboard: there the text gets selected, to be
//   copied by hand.
function equip(page) {
  if (page.dataset.keys) return;
  page.dataset.keys = 'own';
  page.addEventListener('focusin', event => event.target.setAttribute('data-lm-suppress-shortcuts', 'true'));
  page.addEventListener('keydown', event => move(page, event));
  page.addEventListener('click', copy);
  const all = () => {
    page.querySelectorAll('.kb-three').forEach(tell);
    page.querySelectorAll('.kb-group').forEach(
      head => head.setAttribute('aria-expanded', head.classList.contains('mod-active')));
  };
  new MutationObserver(all).observe(page, {subtree: true, attributes: true, attributeFilter: ['class']});
  new MutationObserver(changes => {
    if (changes.some(change => [...change.addedNodes].some(node => node.querySelector?.('.kb-three, .kb-group')
        || node.matches?.('.kb-three, .kb-group, .kb-three *')))) all();
  }).observe(page, {subtree: true, childList: true});
  all();
}

function tell(row) {
  row.setAttribute('role', 'group');
  row.setAttribute('aria-label', row.querySelector('label').textContent);
  for (const button of row.querySelectorAll('button')) {
    const pressed = button.classList.contains('mod-active');
    button.setAttribute('aria-pressed', pressed);
    button.tabIndex = pressed ? 0 : -1;
  }
}

function move(page, event) {
  const row = event.target.closest('.kb-three');
  if (!row || event.target.tagName !== 'BUTTON' || !event.key.startsWith('Arrow')) return;
  const seen = [...page.querySelectorAll('.kb-three')].filter(other => other.offsetParent);
  const [across, down] = [[...row.querySelectorAll('button')].indexOf(event.target), seen.indexOf(row)];
  const [x, y] = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  event.preventDefault();
  seen[down + y]?.querySelectorAll('button')[across + x]?.focus();
}

function copy(event) {
  const button = event.target.closest('.kb-copy');
  if (!button) return;
  const box = button.parentNode.querySelector('pre');
  (navigator.clipboard ? navigator.clipboard.writeText(box.textContent) : Promise.reject()).then(
    () => { button.textContent = 'Copied'; },
    () => { getSelection().selectAllChildren(box); button.textContent = 'Selected: press Ctrl+C'; });
}

export default {
  render({ el }) {
    let waiting;
    const begin = () => { // a view is rendered before it is put into the page
      const page = el.closest('.kb-explorer');
      if (page) equip(page);
      else waiting = requestAnimationFrame(begin);
    };
    begin();
    return () => cancelAnimationFrame(waiting);
  },
};
