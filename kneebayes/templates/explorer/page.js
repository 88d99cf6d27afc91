// The explorer's page: shows what the kernel or the local server says of a case, and sends what is clicked.
//
// A click must only ever answer what stood under the pointer when the hand set out:
// - Rows keep their places. Answered, a question stays in its row with what was recorded, as long as pointer or
//   keyboard are on it; other questions come in only where neither is. Nothing that grows pushes a row.
// - The same answer again says nothing new, and what takes an answer back is not there a second time: a second click at
//   the same place, however late, does nothing.
// - A row that has just got another question takes no click for a moment.

const FRESH = 700; // ms in which a row that has changed takes no click: longer than a hand needs to see and stop
// what takes longer than an answer does, in this order, and the ms without an answer before it is asked for
const LATER = {ask: 0, sure: 300, why: 0};
const HURRY = 400; // ms between two answers under which more are awaited first: what is worked out meanwhile slows them
const SLOTS = 4;
const PATIENCE = 15000; // ms without an answer after which the page says so

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter(child => child !== null));
  return node;
}

const heading = words => make('h2', {}, words);
const within = node => node.matches(':hover') || node.querySelector(':focus-visible') !== null;
const percent = share => `${(100 * share).toFixed(2)}%`;

// Disable a button; the keyboard stays in its row, and on nothing that a second press would press.
function disable(button, off, row) {
  if (off && button === document.activeElement) row.focus();
  button.disabled = off;
}

// A question with its answers. What it shows as recorded is the answer given last, until the kernel says otherwise.
function row(control, {asked = false, key = false, answer}) {
  const made = performance.now();
  const take = value => {
    if (asked && performance.now() - made < FRESH) return false;
    answer(control.name, value);
    return true;
  };
  const undo = make('button', {type: 'button', class: 'kb-undo', 'aria-label': `Take back: ${control.label}`,
    title: 'take this answer back', disabled: true, onclick: () => take('')}, '\u21b6');
  const words = asked ? control.question : control.label;
  const node = make('div', {class: `kb-row kb-${control.name}`, role: 'group', 'aria-label': control.question,
    'data-name': control.name, tabindex: -1}, make('span', {class: 'kb-words', title: control.question}, words,
    key ? make('b', {}, ' (key)') : null));
  let show;
  let rule = () => {};
  if (control.unit) {
    let typed = '';
    const commit = () => {
      if (field.value.trim() !== typed) take(typed = field.value.trim());
    };
    const field = make('input', {type: 'text', inputmode: 'decimal', placeholder: control.unit,
      'aria-label': control.question, onchange: commit,
      onkeydown: event => { if (event.key === 'Enter') commit(); }}); // a notebook may keep the change from coming
    node.append(field);
    show = value => { // not while another number is being typed
      if (document.activeElement !== field || field.value.trim() === typed) field.value = typed = value;
    };
  } else if (control.choices.length === 2) {
    const buttons = control.choices.map(([said, state]) => make('button', {type: 'button', 'data-state': state,
      'aria-pressed': 'false', 'aria-label': `${control.question} ${said}`,
      onclick: () => { if (node.dataset.answer !== state) take(state); }}, said));
    node.append(...buttons);
    show = value => buttons.forEach(button => button.setAttribute('aria-pressed', button.dataset.state === value));
    rule = out => buttons.forEach(button => {
      disable(button, button.dataset.state in out, node);
      button.title = out[button.dataset.state] ?? '';
    });
  } else {
    const options = [['?', ''], ...control.choices].map(([said, state]) => make('option', {value: state, 'data-said': said}, said));
    const chooser = make('select', {'aria-label': control.question,
      onchange: () => { if (!take(chooser.value)) chooser.value = node.dataset.answer; }}, ...options);
    node.append(chooser);
    show = value => { chooser.value = value; };
    rule = out => options.forEach(option => {
      option.disabled = option.value in out;
      option.textContent = out[option.value] ?? option.dataset.said;
    });
  }
  node.append(undo);
  return {node, name: control.name, rule, show(value) { // `rule` takes what is ruled out by the rest of the answers
    show(value);
    node.dataset.answer = value;
    disable(undo, !value, node);
  }};
}

class Page {
  constructor(model, el) {
    this.model = model;
    this.root = make('div', {class: 'kb-explorer'});
    // Jupyter would take keys pressed here for its shortcuts; its selectors match what has the focus itself
    this.root.addEventListener('focusin', event => event.target.setAttribute('data-lm-suppress-shortcuts', 'true'));
    this.root.addEventListener('keydown', event => { // a key held down is one press
      if (event.repeat && event.target.tagName === 'BUTTON') event.preventDefault();
    });
    el.append(this.root);
    this.sent = model.get('view').seq;
    this.pausing = {};
    this.asking = new Set();
    this.build();
    model.on('change:form', () => this.build());
    model.on('change:view', () => this.show());
    for (const kind in LATER) {
      model.on(`change:${kind}`, () => {
        this.asking.delete(kind);
        this.showLater();
      });
    }
  }

  send(message) {
    clearTimeout(this.patience);
    this.patience = setTimeout(() => this.message.replaceChildren('No answer yet: the program behind this page is ' +
      'busy, or has ended; then start it again, in a notebook by running the cell.'), PATIENCE);
    this.sent += 1;
    this.hurried = performance.now() - this.answered < HURRY;
    this.answered = performance.now();
    this.model.send({...message, seq: this.sent});
  }

  answer(name, value) {
    for (const own of this.rows()) if (own.name === name) own.show(value); // at once: the kernel may be busy
    if (value === '') this.forget([...this.known.children].find(item => item.dataset.name === name));
    this.send({do: 'answer', name, value});
  }

  *rows() {
    yield* this.fixed;
    for (const slot of this.slots) if (slot.row) yield slot.row;
  }

  build() {
    const form = this.model.get('form');
    const answer = (name, value) => this.answer(name, value);
    const fixed = name => {
      const made = row(form.controls[name], {answer});
      this.fixed.push(made);
      return made.node;
    };
    this.fixed = [];
    const first = form.first.map(fixed);
    this.slots = Array.from({length: SLOTS}, () => ({node: make('div', {class: 'kb-slot'}), row: null}));
    for (const {node} of this.slots) {
      node.addEventListener('pointerleave', () => this.fill());
      node.addEventListener('focusout', () => requestAnimationFrame(() => this.fill()));
    }
    this.firsts = new Set(form.first);
    const more = form.sections.map(([label, names]) => [label, names.filter(name => !this.firsts.has(name))])
      .filter(([, names]) => names.length)
      .map(([label, names]) => make('details', {class: 'kb-group'}, make('summary', {}, label), ...names.map(fixed)));
    const choose = (label, options, chosen, change) => make('select', {'aria-label': label,
      onchange: event => change(event.target.value)},
      ...options.map(([value, said]) => make('option', {value, selected: value === chosen}, said)));
    this.examples = choose('Load an example', [['', 'Load an example ...'], ...form.examples], '',
      name => name && this.replace({do: 'example', name}, 'The example has taken the place of'));
    const part = (name, attributes = {}) => this[name] = make('div', {class: `kb-${name}`, ...attributes});
    part('certainty');
    this.known = make('ol', {class: 'kb-known', tabindex: 0, 'aria-label': 'Known so far'});
    for (const event of ['pointerleave', 'focusout']) {
      this.known.addEventListener(event, () => requestAnimationFrame(() => this.tidy()));
    }
    this.root.replaceChildren(
      make('div', {class: 'kb-tools'}, make('b', {title: form.title}, form.title),
        choose('Model', form.models, form.model, name => this.send({do: 'model', name})), this.examples,
        make('button', {type: 'button', class: 'kb-reset',
          onclick: () => this.replace({do: 'load', facts: {}}, 'Forgotten:')}, 'Start again')),
      part('alarm', {role: 'status', 'aria-live': 'polite', tabindex: 0}),
      make('div', {class: 'kb-columns'},
        make('section', {class: 'kb-pane kb-asking', 'aria-label': 'Questions', tabindex: 0}, heading('First'),
          ...first, this.next = heading('Ask next'), ...this.slots.map(slot => slot.node), heading('All other questions'), ...more),
        make('section', {class: 'kb-pane kb-results', 'aria-label': 'How likely', tabindex: 0}, heading('How likely'),
          part('bars'), part('legend', {class: 'kb-note'}), part('wells'),
          this.whys = make('details', {class: 'kb-why', ontoggle: () => this.showLater()},
            make('summary', {}, 'Why'), part('why')),
          this.text('record', 'For the record'), this.text('code', 'As code')),
        make('section', {class: 'kb-pane kb-side', 'aria-label': 'Known so far'}, heading('Known so far'), this.known,
          make('p', {class: 'kb-note'}, form.disclaimer))),
      part('message', {role: 'alert'}));
    this.show();
  }

  // Put another case in place of this one, which can be brought back.
  replace(message, words) {
    const facts = this.model.get('view').facts;
    const n = Object.keys(facts).length;
    this.send(message);
    this.note = n ? {seq: this.sent, words: `${words} ${n} answer${n > 1 ? 's' : ''}.`, facts} : null;
    if (message.do === 'load') this.examples.value = '';
  }

  show() {
    const view = this.model.get('view');
    if (view.seq >= this.sent) clearTimeout(this.patience);
    this.sent = Math.max(this.sent, view.seq);
    this.showAlarm(view);
    this.showBars(view);
    this.wells.textContent = view.wells;
    for (const kind of ['record', 'code']) this[kind].textContent = view[kind];
    this.showMessage(view);
    if (view.seq === this.sent) { // of an older one, the answers given since are not in it
      for (const own of this.rows()) {
        own.show(view.answers[own.name] ?? '');
        own.rule(view.ruled_out[own.name] ?? {});
      }
      this.showKnown(view);
    }
    this.showLater();
  }

  // Give what was worked out of the case that is shown; ask for it where it is of another, and only once at a time.
  later(kind) {
    const found = this.model.get(kind);
    if (found?.seq === this.model.get('view').seq) return found;
    clearTimeout(this.pausing[kind]);
    this.pausing[kind] = setTimeout(() => {
      if (this.asking.has(kind)) return;
      this.asking.add(kind);
      this.model.send({do: kind});
    }, Math.max(LATER[kind], this.hurried ? HURRY : 0));
    return null;
  }

  // One after the other, so that what is asked for first is there first.
  showLater() {
    const ask = this.later('ask');
    if (ask) this.fill();
    const asked = this.slots.some(slot => slot.row);
    this.next.textContent = asked ? 'Ask next' : ask ? 'Ask next: nothing else tells more' : 'Ask next: being worked out ...';
    if (!ask) return;
    const sure = this.later('sure');
    if (!sure) return;
    this.showSure(sure);
    const why = this.whys.open && this.later('why');
    if (why) this.showWhy(why);
  }

  showAlarm({alarm, flags, warnings}) {
    this.alarm.className = `kb-alarm kb-${alarm.level}`;
    this.alarm.dataset.level = alarm.level;
    this.alarm.replaceChildren(
      make('div', {}, make('b', {}, alarm.level.replace('_', ' ').toUpperCase()),
        ` \u00a0 ${alarm.of}: `, make('b', {}, alarm.p), make('p', {}, alarm.advice)),
      make('ul', {'aria-label': 'Why this alarm'}, ...alarm.reasons.map(reason => make('li', {}, reason)),
        flags.length ? make('li', {}, make('b', {}, 'Red flags: '), flags.join(', ')) : null,
        ...warnings.map(words => make('li', {}, words))),
      this.certainty);
  }

  showBars({bars}) {
    this.bars.replaceChildren(...bars.map(bar => make('div', {class: bar.own ? 'kb-bar kb-own' : 'kb-bar',
      'data-cause': bar.name, 'data-p': bar.p},
      make('span', {}, bar.label, ...bar.states.map(words => make('small', {}, ` (${words})`))),
      make('div', {class: 'kb-track'},
        make('div', {class: 'kb-fill', style: `--from:${percent(bar.before)};width:${percent(bar.p)}`}),
        make('div', {class: 'kb-prior', style: `left:${percent(bar.prior)}`})),
      make('span', {class: 'kb-number'}, bar.said, make('small', {class: 'kb-change'}, ` ${bar.change}`)))));
    this.certainty.classList.add('kb-old'); // until that of this case is there
    this.why.classList.add('kb-old');
  }

  showSure(sure) {
    for (const bar of this.bars.children) {
      const range = sure.ranges[bar.dataset.cause];
      for (const old of bar.querySelectorAll('.kb-range, .kb-hidden')) old.remove();
      if (!range) continue;
      bar.title = `${sure.level} of plausible models: ${range[2]}`;
      bar.querySelector('.kb-track').append(make('div', {class: 'kb-range',
        style: `left:${percent(range[0])};width:${percent(range[1] - range[0])}`}));
      bar.querySelector('.kb-number').append(make('span', {class: 'kb-hidden'}, `, ${range[2]}`));
    }
    this.certainty.textContent = sure.sentence;
    this.legend.textContent = `Line: ${sure.level} of plausible models. Marks above and below: with nothing known but the ` +
      'complaint. Causes may coexist.';
    this.certainty.classList.remove('kb-old');
  }

  showWhy({lines}) {
    this.why.replaceChildren(...lines.flatMap(([head, ...more]) => [make('h3', {}, head),
      make('ul', {}, ...more.map(line => make('li', {}, line.trim())))]));
    this.why.classList.remove('kb-old');
  }

  showMessage(view) {
    const bringBack = this.note && this.note.seq === view.seq && !view.problem ? this.note : null;
    const words = view.problem || bringBack?.words;
    const shown = performance.now();
    this.message.replaceChildren(...(!words ? [] : [words, bringBack && make('button', {type: 'button',
      onclick: () => { if (performance.now() - shown > FRESH) this.send({do: 'load', facts: bringBack.facts}); }},
      'Bring them back'), make('button', {type: 'button', 'aria-label': 'Close', onclick: () =>
      this.message.replaceChildren()}, '\u2715')].filter(Boolean)));
  }

  // Add what is new at the end; what was taken back stays in its place, struck out, while pointer or keyboard are here.
  showKnown({known}) {
    const shown = new Map([...this.known.children].map(node => [node.dataset.name, node]));
    const there = new Set(known.map(([name]) => name));
    for (const [name, node] of shown) this.forget(node, !there.has(name));
    for (const [name, label, said] of known) {
      if (!shown.has(name)) {
        const item = make('li', {'data-name': name, tabindex: -1}, make('span', {}), make('button', {type: 'button',
          class: 'kb-undo', 'aria-label': `Take back: ${label}`, title: 'take this answer back',
          onclick: () => { if (!(performance.now() - item.moved < FRESH)) this.answer(name, ''); }}, '\u21b6'));
        this.known.append(item);
        if (!within(this.known)) this.known.scrollTop = this.known.scrollHeight;
      }
      const node = [...this.known.children].find(own => own.dataset.name === name);
      node.firstChild.replaceChildren(`${label}: `, make('b', {}, said));
    }
    this.tidy();
  }

  forget(item, gone = true) {
    item?.classList.toggle('kb-gone', gone);
    if (item) disable(item.querySelector('button'), gone, item);
  }

  tidy() {
    if (within(this.known)) return;
    let gone = false;
    for (const item of [...this.known.children]) {
      if (item.classList.contains('kb-gone')) {
        item.remove();
        gone = true;
      } else if (gone) item.moved = performance.now();
    }
  }

  // Give each row that nobody is on, and whose question is answered or matters less by now, the next question.
  fill() {
    const ask = this.model.get('ask');
    if (ask?.seq !== this.sent) return;
    const open = ask.questions.filter(([name]) => !this.firsts.has(name));
    const best = open.slice(0, SLOTS).map(([name]) => name);
    const free = this.slots.filter(slot => !(slot.row && (within(slot.node) || best.includes(slot.row.name))));
    const taken = new Set(this.slots.filter(slot => !free.includes(slot)).map(slot => slot.row.name));
    const next = open.filter(([name]) => !taken.has(name));
    for (const slot of free) {
      const found = next.shift();
      if (slot.row?.name === found?.[0]) continue;
      slot.row = found ? row(this.model.get('form').controls[found[0]], {asked: true, key: found[1], answer: (...a) => this.answer(...a)})
        : null;
      slot.row?.show('');
      slot.row?.rule(this.model.get('view').ruled_out[slot.row.name] ?? {});
      slot.node.replaceChildren(...(slot.row ? [slot.row.node] : []));
    }
  }

  // Show a text that can be copied.
  text(kind, words) {
    this[kind] = make('pre', {tabindex: 0, 'aria-label': words});
    return make('details', {class: `kb-as-${kind}`}, make('summary', {}, words), this[kind],
      make('button', {type: 'button', class: 'kb-copy', onclick: event => this.copy(this[kind], event.target)}, 'Copy'));
  }

  // A page without a secure origin has no clipboard: there the text gets selected, to be copied by hand.
  copy(text, button) {
    const written = navigator.clipboard ? navigator.clipboard.writeText(text.textContent) : Promise.reject();
    written.then(() => { button.textContent = 'Copied'; },
      () => { getSelection().selectAllChildren(text); button.textContent = 'Selected: press Ctrl+C'; });
  }
}

export default { render({ model, el }) { new Page(model, el); } };
