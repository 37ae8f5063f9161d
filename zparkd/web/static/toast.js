// A line that says what happened, and goes away: by itself, or once something else is tried.

import { put } from "./dom.js";
import { mark } from "./marks.js";

let timer = null;
const place = () => document.getElementById("toast");

export function toast(kind, words) {
  put(place(), mark(kind, words));
  clearTimeout(timer);
  timer = setTimeout(clearToast, 6000);
}

/** What was said before is over: "saved" must not stand beside "not saved". */
export function clearToast() {
  clearTimeout(timer);
  put(place());
}
