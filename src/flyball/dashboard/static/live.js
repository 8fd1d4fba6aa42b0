// The live stream of the control plane, questions and orders to it.
import { bearer, inAddress } from "./key.js";

const SILENCE_MS = 3500; // a state comes every second
const AGAIN_MS = 1000;

/** Dispatches "state" and "decision" (both with `detail`), "up" (connected or connected again) and "down". */
export class Live extends EventTarget {
  #source = null;
  #last = null;
  #heard = 0;
  #up = false;
  #again = null;

  /** Start after the decision with this number. */
  start(after) {
    this.#last = after;
    this.#open();
    setInterval(() => this.#listen(), 500);
  }

  #open() {
    clearTimeout(this.#again);
    this.#again = null;
    this.#source?.close();
    // Browsers send Last-Event-ID only when they reconnect by themselves; a new source puts the number in its address.
    const asked = inAddress();
    if (this.#last !== null) asked.set("after", this.#last);
    this.#source = new EventSource(`/api/live?${asked}`);
    this.#source.addEventListener("state", (event) => {
      this.#heard = performance.now();
      this.dispatchEvent(new CustomEvent("state", { detail: JSON.parse(event.data) }));
      if (this.#up) return;
      this.#up = true;
      this.dispatchEvent(new Event("up")); // after the state, so that reloads reach up to it
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

/** Get an answer. Throws an Error with the control plane's sentence. */
export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const parameters = new URLSearchParams();
  for (const [name, value] of given) for (const one of [value].flat()) parameters.append(name, one);
  return answer(await fetch(given.length ? `${path}?${parameters}` : path, { headers: bearer() }));
}

/** Tell the control plane to do something. */
export async function act(path, body = {}) {
  const headers = { "content-type": "application/json", ...bearer() };
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
