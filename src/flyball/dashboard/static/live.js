// The stream from the control plane, and questions and orders to it.

const SILENCE_MS = 3500; // a state comes every second
const AGAIN_MS = 1000;

/** Tells "state", "decision" (both with `detail`), "up" (connected, first or again) and "down". */
export class Live extends EventTarget {
  #source = null;
  #last = null;
  #heard = 0;
  #up = false;
  #again = null;

  /** Begin after the decision of that number. */
  start(after) {
    this.#last = after;
    this.#open();
    setInterval(() => this.#listen(), 500);
  }

  #open() {
    clearTimeout(this.#again);
    this.#again = null;
    this.#source?.close();
    // A browser sends Last-Event-ID only when it comes back by itself; a new source says the number in the address.
    this.#source = new EventSource(this.#last === null ? "/api/live" : `/api/live?after=${this.#last}`);
    this.#source.addEventListener("state", (event) => {
      this.#heard = performance.now();
      this.dispatchEvent(new CustomEvent("state", { detail: JSON.parse(event.data) }));
      if (this.#up) return;
      this.#up = true;
      this.dispatchEvent(new Event("up")); // after the state, so that what was missed is asked for up to it
    });
    this.#source.addEventListener("decision", (event) => {
      if (event.lastEventId) this.#last = Number(event.lastEventId);
      this.dispatchEvent(new CustomEvent("decision", { detail: JSON.parse(event.data) }));
    });
    this.#source.addEventListener("error", () => this.#lost());
  }

  #lost() {
    this.#down();
    if (this.#source.readyState === EventSource.CLOSED) this.#again ??= setTimeout(() => this.#open(), AGAIN_MS);
  }

  #listen() {
    if (this.#up && performance.now() - this.#heard > SILENCE_MS) {
      this.#down();
      this.#open();
    }
  }

  #down() {
    if (!this.#up) return;
    this.#up = false;
    this.dispatchEvent(new Event("down"));
  }
}

/** Ask. Raises an Error with the control plane's sentence. */
export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const parameters = new URLSearchParams();
  for (const [name, value] of given) for (const one of [value].flat()) parameters.append(name, one);
  return answer(await fetch(given.length ? `${path}?${parameters}` : path));
}

/** Tell the control plane to do something. */
export async function act(path, body = {}) {
  const headers = { "content-type": "application/json" };
  return answer(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

async function answer(response) {
  if (response.ok) return response.json();
  const said = await response.text();
  try {
    throw new Error(JSON.parse(said).detail);
  } catch (error) {
    throw error instanceof SyntaxError ? new Error(said) : error;
  }
}
