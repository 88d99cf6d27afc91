// The page by itself: what a notebook's kernel would do is asked of the local server that sent it.
import page from './page.js';

const lost = () => { document.getElementById('lost').hidden = false; };
let held;
try {
  held = await (await fetch('state')).json();
} catch (error) {
  document.getElementById('starting').remove();
  lost();
  throw error;
}
const listeners = {};
let queue = Promise.resolve();

const model = {
  get: name => held[name],
  on: (event, listener) => { (listeners[event] ??= []).push(listener); },
  send(message) { // answers one after the other, in the order of the clicks; they wait for nothing else
    if (message.seq === undefined) say(message);
    else queue = queue.then(() => say(message));
  },
};

async function say(message) {
  try {
    const answer = await fetch('say', {method: 'POST', body: JSON.stringify(message)});
    const changed = await answer.json();
    Object.assign(held, changed);
    for (const name in changed) listeners[`change:${name}`]?.forEach(listener => listener());
  } catch {
    lost();
  }
}

document.getElementById('starting').remove();
page.render({model, el: document.getElementById('page')});
