// The forum's front page. It only uses the public API; text from people goes into the page as text, never as HTML.

const main = document.getElementById('main');
const status = document.getElementById('status');
const names = new Map();
let shown = 0;  // counts pages opened, so that a late answer does not land on the next one

async function api(method, path, body, key) {
  const headers = {};
  if (body) headers['content-type'] = 'application/json';
  if (key) headers['idempotency-key'] = key;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Error('The forum does not answer. Please try again.');
  }
  const found = await answer.json().catch(() => null);
  if (!answer.ok) throw Object.assign(new Error(found?.detail ?? `Error ${answer.status}`), { status: answer.status });
  return found;
}

function userName(id) {
  if (!names.has(id)) {
    const asked = api('GET', `/api/users/${id}`).then((user) => user.name);
    names.set(id, asked.catch((error) => {
      names.delete(id);
      return error.status === 404 ? 'deleted user' : 'unknown user';
    }));
  }
  return names.get(id);
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function moment(text) {
  const made = element('time', '', new Date(text).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }));
  made.dateTime = text;
  return made;
}

function byline(userId, created) {
  const line = element('span', 'meta');
  const author = element('span', 'author');
  line.append(author, ' ', moment(created));
  if (userId) userName(userId).then((name) => { author.textContent = name; });
  return line;
}

function threadRow(thread) {
  const link = element('a', '', thread.title);
  link.href = `#/threads/${thread.id}`;
  link.append(byline(thread.user_id, thread.created_at));
  const row = element('li');
  row.append(link);
  return row;
}

function postRow(post) {
  const row = element('li');
  row.append(byline(post.user_id, post.created_at), element('p', '', post.text));
  return row;
}

function open(template, title) {
  main.replaceChildren(document.getElementById(template).content.cloneNode(true));
  document.title = title;
  status.textContent = '';
  const name = main.querySelector('input[name=name]');
  name.value = remembered()?.name ?? '';
  return ++shown;
}

// Appends one page of a list, and lets the button fetch the next one.
async function fill(list, address, row) {
  const button = main.querySelector('.more');
  const mine = shown;
  const load = async (cursor) => {
    const page = await api('GET', cursor ? `${address}&cursor=${encodeURIComponent(cursor)}` : address);
    if (mine !== shown) return;
    list.append(...page.items.map(row));
    const none = main.querySelector('.none');
    if (none) none.hidden = list.children.length > 0;
    button.hidden = page.next === null;
    button.onclick = () => attempt(button, () => load(page.next));
  };
  await load(null);
}

async function attempt(button, work) {
  button.disabled = true;
  status.textContent = '';
  try {
    await work();
  } catch (error) {
    status.textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem('user'));
  } catch {
    return null;
  }
}

async function userId(name, key) {
  const known = remembered();
  if (known?.name === name && await api('GET', `/api/users/${known.id}`).catch(() => null)) return known.id;
  const user = await api('POST', '/api/users', { name }, key);
  localStorage.setItem('user', JSON.stringify({ id: user.id, name: user.name }));
  return user.id;
}

// A form keeps its keys until what it holds has arrived, so that trying again never makes a second copy.
function onSubmit(form, send) {
  let prefix = randomKey();
  form.addEventListener('input', () => { prefix = randomKey(); });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const fields = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
    attempt(form.querySelector('button'), () => send(fields, prefix));
  });
}

function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function showThreads() {
  open('threads', 'Forum');
  onSubmit(main.querySelector('form'), async ({ name, title, text }, key) => {
    const author = await userId(name, `${key}-user`);
    const thread = await api('POST', '/api/threads', { title, user_id: author }, `${key}-thread`);
    await api('POST', '/api/posts', { thread_id: thread.id, user_id: author, text }, `${key}-post`);
    location.hash = `#/threads/${thread.id}`;
  });
  await fill(main.querySelector('.list'), '/api/threads?limit=20', threadRow);
}

async function showThread(id) {
  const mine = open('thread', 'Forum');
  const list = main.querySelector('.posts');
  const form = main.querySelector('form');
  onSubmit(form, async ({ name, text }, key) => {
    const author = await userId(name, `${key}-user`);
    const post = await api('POST', '/api/posts', { thread_id: id, user_id: author, text }, `${key}-post`);
    if (main.querySelector('.more').hidden) list.append(postRow(post));
    form.elements.text.value = '';
    form.dispatchEvent(new Event('input'));
    status.textContent = 'Posted.';
  });
  const thread = await api('GET', `/api/threads/${id}`);
  if (mine !== shown) return;
  main.querySelector('h1').textContent = thread.title;
  document.title = `${thread.title} - Forum`;
  await fill(list, `/api/posts?thread_id=${id}&order=oldest&limit=50`, postRow);
}

async function route() {
  const thread = location.hash.match(/^#\/threads\/([0-9A-Z]{26})$/);
  try {
    await (thread ? showThread(thread[1]) : showThreads());
  } catch (error) {
    status.textContent = error.message;
  }
}

addEventListener('hashchange', () => route().then(() => main.focus()));
route();
