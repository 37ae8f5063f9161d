// The list of what happens, newest first; and what it holds before anything happens.

import { get } from "./api.js";
import { el, put } from "./dom.js";
import { clockTime, money, t } from "./i18n.js";
import { kindMark, plateLink } from "./marks.js";

export const MOST_EVENTS = 24;
const FEWEST_EVENTS = 12; // taken from the history, so that the list does not begin empty
const MOST_KNOWN = 500;

/** The list of what happens, newest first. A person may hold it still to read. */
export function eventList() {
  const list = el("ol", { class: "events" });
  const log = el(
    "div",
    { role: "log", "aria-live": "polite", "aria-label": t("now.events") },
    list,
  );
  const waiting = el("p", { class: "empty" }, t("now.events.none"));
  const known = new Set();
  let held = null; // events that came while the list was held
  const button = el(
    "button",
    {
      type: "button",
      "aria-pressed": "false",
      onclick() {
        const kept = held;
        held = held ? null : [];
        button.setAttribute("aria-pressed", String(held !== null));
        put(button, t(held ? "now.events.go_on" : "now.events.hold"));
        for (const event of kept ?? []) add(event);
      },
    },
    t("now.events.hold"),
  );

  function add(event) {
    const key = `${event.kind} ${event.event_id ?? event.id} ${event.time}`;
    if (known.has(key)) return;
    if (held) {
      held.push(event);
      if (held.length > MOST_EVENTS) held.shift(); // it would leave the list again at once
      const more = held.length === MOST_EVENTS ? "+" : "";
      put(button, t("now.events.held", { count: `${held.length}${more}` }));
      return;
    }
    known.add(key);
    if (known.size > MOST_KNOWN) known.delete(known.values().next().value);
    waiting.remove();
    list.prepend(eventLine(event));
    while (list.children.length > MOST_EVENTS) list.lastElementChild.remove();
  }
  return { controls: el("div", { class: "controls" }, button, waiting), log, add };
}

function eventLine(event) {
  const fee =
    event.fee === null || event.fee === undefined ? null : money(event.fee, event.currency);
  return el(
    "li",
    {},
    el("time", {}, clockTime(event.time)),
    kindMark(event.kind),
    event.plate_id ? plateLink(event.plate_id, event.plate_view) : null,
    el("span", { class: "quiet" }, [event.central, event.edge_id].filter(Boolean).join("/")),
    fee ? el("strong", {}, fee) : null,
  );
}

/** The newest entries and exits of the history, as the stream would have told them. */
export async function fillFromHistory(events, signal) {
  const { history } = await get("/api/parking/history", { limit: FEWEST_EVENTS }, signal);
  const told = history.flatMap((row) => {
    const entry = {
      ...row,
      kind: "VEHICLE_ENTRY_PENDING",
      central: row.source_central,
      time: row.entry_time,
      time_ms: row.entry_ms,
      fee: null,
    };
    if (row.closed_by !== "EXIT") return [entry]; // what else ends a stay is no exit of a vehicle
    const exit = {
      ...entry,
      kind: "VEHICLE_EXIT",
      central: row.exit_central,
      edge_id: row.exit_edge_id,
      time: row.exit_time,
      time_ms: row.exit_ms,
      fee: row.fee,
    };
    return [entry, exit];
  });
  told.sort((one, other) => one.time_ms - other.time_ms);
  for (const event of told.slice(-FEWEST_EVENTS)) events.add(event);
}
