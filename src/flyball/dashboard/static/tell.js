// Asking before something is done, and saying what came of it.

import { say } from "./dom.js";
import { act } from "./live.js";

const dialog = document.getElementById("ask");
const told = document.getElementById("told");
let fading = 0;

/** A sentence that goes away by itself. */
export function tell(text, bad = false) {
  told.dataset.bad = bad ? "yes" : "no";
  say(told, text);
  clearTimeout(fading);
  fading = setTimeout(() => say(told, ""), bad ? 15000 : 6000);
}

let answer = () => {};

dialog.addEventListener("close", () => {
  if (!dialog.open) answer(dialog.returnValue === "yes"); // open: the next question came before this event
});

/** Whether the user wants it. */
export function ask(title, text, yes) {
  answer(false);
  say(document.getElementById("ask-title"), title);
  say(document.getElementById("ask-text"), text);
  say(document.getElementById("ask-yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    answer = resolve;
  });
}

/** Do it, and say what the control plane decided. */
export async function order(path, body, done) {
  try {
    const events = await act(path, body);
    const sentences = Array.isArray(events) ? events.map((event) => event.reason) : [];
    tell(sentences.length ? sentences.slice(0, 3).join("; ") : done);
  } catch (error) {
    tell(error instanceof TypeError ? "The control plane does not answer." : `Refused: ${error.message}`, true);
  }
}
