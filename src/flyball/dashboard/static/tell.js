// Questions before an order, and sentences about its outcome.

import { say } from "./dom.js";
import { act } from "./live.js";

const dialog = document.getElementById("ask");
const told = document.getElementById("told");
let fading = 0;

/** Show a sentence for some seconds. */
export function tell(text, bad = false) {
  told.dataset.bad = bad ? "yes" : "no";
  say(told, text);
  clearTimeout(fading);
  fading = setTimeout(() => say(told, ""), bad ? 15000 : 6000);
}

let answer = () => {};

dialog.addEventListener("close", () => {
  if (!dialog.open) answer(dialog.returnValue === "yes"); // still open: the next question came before this event
});

/** Ask a question; resolves to whether the user agrees. */
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

/** Give an order and tell what the control plane decided. */
export async function order(path, body, done) {
  try {
    const events = await act(path, body);
    const sentences = Array.isArray(events) ? events.map((event) => event.reason) : [];
    tell(sentences.length ? sentences.slice(0, 3).join("; ") : done);
  } catch (error) {
    tell(error instanceof TypeError ? "The control plane does not answer." : `Refused: ${error.message}`, true);
  }
}
