// Now: is all well, who is linked, what happens, who is inside.

import { get } from "./api.js";
import { drawnToWidth, el, put } from "./dom.js";
import { clockOffset, clockTime, dayTime, has, money, number, shortTime, t, word } from "./i18n.js";
import { kindMark, mark, peerState, plateLink } from "./marks.js";
import { mesh, pulse, PULSE_MS } from "./mesh.js";
import { table } from "./table.js";

const MOST_EVENTS = 24;
const FEWEST_EVENTS = 12; // taken from the history, so that the list does not begin empty
const INSIDE = 10;
const REFRESH_MS = 2000;
const MOST_KNOWN = 500;

export function show(place, app, signal) {
  const cards = el("ul", { class: "cards" });
  const problems = el("div", {});
  const drawing = el("div", { class: "drawing" });
  const links = el("details", { class: "as-table" }, el("summary", {}, t("now.as_table")));
  const events = eventList();
  const inside = el("div", {});
  place.append(
    cards,
    problems,
    section(
      t("now.mesh"),
      drawing,
      el("p", { class: "quiet legend" }, t("now.mesh.legend")),
      links,
    ),
    el(
      "div",
      { class: "side-by-side" },
      section(t("now.events"), events.controls, events.log),
      section(t("now.inside"), inside),
    ),
  );

  const draw = drawnToWidth(
    drawing,
    (width) =>
      app.status?.peers ? mesh(app.status, width, stale(app)) : el("p", {}, t("loading")),
    signal,
  );

  let later = null;
  let runningUntil = 0;

  const refreshInside = seldom(async () => {
    try {
      const { history, total } = await get(
        "/api/parking/history",
        { inside: 1, limit: INSIDE },
        signal,
      );
      put(inside, insideTable(history, total ?? history.length));
    } catch (fault) {
      const words = app.explain(fault);
      if (words) put(inside, words);
    }
  }, signal);

  fillFromHistory(events, signal).catch((fault) => app.explain(fault));
  refreshInside();

  return {
    status(status) {
      put(cards, summary(status, stale(app)));
      put(problems, problemList(status, stale(app)));
      clearTimeout(later);
      later = setTimeout(draw, Math.max(0, runningUntil - Date.now())); // let the dot arrive
      put(links, links.firstElementChild, linkTable(status, stale(app)));
    },
    event(event) {
      events.add(event);
      pulse(drawing, event.central);
      runningUntil = Date.now() + PULSE_MS;
      refreshInside();
    },
  };
}

const stale = (app) => app.link !== "live";

function section(title, ...children) {
  return el("section", {}, el("h2", {}, title), ...children);
}

function summary(status, old) {
  const problems = status.problems?.length ?? 0;
  const health = old
    ? mark("none", t("now.health.unknown"))
    : problems
      ? mark("warn", t("now.health.problems", { count: problems }))
      : mark("good", t("now.health.good"));
  return [
    card(t("now.card.health"), health),
    card(t("now.card.inside"), number(status.vehicles_inside)),
    card(
      t("now.card.peers"),
      status.standalone_mode
        ? t("now.standalone")
        : t("now.card.of", {
            part: number(status.connected_peers),
            whole: number(status.total_peers),
          }),
    ),
    card(
      t("now.card.events"),
      number(status.events),
      status.only_here ? t("now.card.only_here", { count: number(status.only_here) }) : null,
    ),
  ];
}

function card(title, value, more = null) {
  return el(
    "li",
    {},
    el("span", { class: "quiet" }, title),
    el("strong", {}, value),
    more ? mark("busy", more) : null,
  );
}

/** What is wrong and what to do in the reader's language, then the daemon's own words. */
function problemList(status, old) {
  if (old || !status.problems?.length) return [];
  return el(
    "section",
    { class: "problems" },
    el("h2", {}, t("now.problems")),
    el(
      "ul",
      {},
      status.problems.map((problem) =>
        el(
          "li",
          {},
          mark("warn", word("problem", problem.code)),
          has(`problem.do.${problem.code}`) ? el("p", {}, t(`problem.do.${problem.code}`)) : null,
          el("p", { class: "quiet", lang: "en" }, `${problem.message}; ${problem.hint}`),
        ),
      ),
    ),
  );
}

function linkTable(status, old) {
  const columns = [
    { head: t("peer.id"), cell: (peer) => peer.peer_id },
    { head: t("peer.state"), cell: (peer) => mark(...peerState(peer, old)) },
    { head: t("peer.heard"), cell: (peer) => dayTime(peer.last_ping_time) },
    { head: t("peer.behind"), number: true, cell: (peer) => number(peer.behind) },
    { head: t("peer.lag"), number: true, cell: (peer) => number(peer.lag) },
    { head: t("peer.clock"), number: true, cell: (peer) => clockOffset(peer.clock_offset_ms) },
  ];
  return table(t("now.mesh"), columns, status.peers, t("now.no_peers"));
}

function insideTable(rows, total) {
  const columns = [
    { head: t("col.plate"), cell: (row) => plateLink(row.plate_id, row.plate_view) },
    { head: t("col.type"), cell: (row) => word("type", row.camera_type) },
    {
      head: t("col.entry"),
      cell: (row) => [
        shortTime(row.entry_time),
        el("span", { class: "quiet under" }, row.camera_name),
      ],
    },
  ];
  const caption = t("now.inside.caption", { shown: number(rows.length), total: number(total) });
  return [
    table(caption, columns, rows, t("now.inside.none"), { class: "few" }),
    el("p", {}, el("a", { href: "#/history?inside=1" }, t("now.inside.all"))),
  ];
}

/** The list of what happens, newest first. A person may hold it still to read. */
function eventList() {
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
      put(button, t("now.events.held", { count: held.length }));
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
    el("span", { class: "quiet" }, `${event.central}/${event.edge_id ?? ""}`),
    fee ? el("strong", {}, fee) : null,
  );
}

/** The newest entries and exits of the history, as the stream would have told them. */
async function fillFromHistory(events, signal) {
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

/**
 * At once, and then seldom, however often it is asked for: all pages of a site hear of the same
 * event in the same moment, and each asks again. A page that nobody sees asks when it is seen.
 */
function seldom(work, signal) {
  let timer = null;
  let again = false;
  function ask() {
    if (timer || document.hidden) {
      again = true;
      return;
    }
    again = false;
    work();
    const wait = REFRESH_MS * (1 + Math.random());
    timer = setTimeout(() => {
      timer = null;
      if (again && !signal.aborted) ask();
    }, wait);
  }
  const seen = () => again && ask();
  document.addEventListener("visibilitychange", seen, { signal });
  return ask;
}
