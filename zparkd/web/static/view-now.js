// Now: is all well, who is linked, what happens, who is inside.

import { get } from "./api.js";
import { drawnToWidth, el, pressed, put } from "./dom.js";
import { eventList, fillFromHistory, MOST_EVENTS } from "./event-list.js";
import { firstSteps } from "./first-steps.js";
import { clockOffset, dayTime, has, number, shortTime, t, word } from "./i18n.js";
import { mark, nothing, peerState, plateLink } from "./marks.js";
import { mesh, pulse, PULSE_MS } from "./mesh.js";
import { table } from "./table.js";

const INSIDE = 10;
const EDGES = 20;
const REFRESH_MS = 2000;
const TOLD_MS = 60_000; // lanes are told of every few seconds

export function show(place, app, signal) {
  const cards = el("ul", { class: "cards" });
  const problems = el("div", {});
  const begin = firstSteps(app, signal);
  const drawing = el("div", { class: "drawing" });
  const links = el("details", { class: "as-table" }, el("summary", {}, t("now.as_table")));
  const events = eventList();
  const inside = el("div", {});
  const edges = el("div", { class: "edges" });
  place.append(
    cards,
    problems,
    begin,
    search(),
    // Where it is narrow, what happens comes before who is linked.
    el(
      "div",
      { class: "landing" },
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
      section(t("now.edges"), edges),
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
  let came = []; // events since the page was last drawn: thousands at once, where a cut has healed

  function take() {
    const taken = came;
    came = [];
    for (const event of taken) events.add(event);
    for (const central of new Set(taken.map((event) => event.central))) pulse(drawing, central);
    runningUntil = Date.now() + PULSE_MS;
    refreshInside();
  }

  const refreshInside = seldom(async () => {
    try {
      const { history, total } = await get(
        "/api/parking/history",
        { inside: 1, limit: INSIDE },
        signal,
      );
      if (!pressed(inside)) put(inside, insideTable(history, total ?? history.length));
    } catch (fault) {
      const words = app.explain(fault);
      if (words) put(inside, words);
    }
  }, signal);

  fillFromHistory(events, signal).catch((fault) => app.explain(fault));
  refreshInside();

  return {
    status(status) {
      if (!pressed(cards)) put(cards, summary(status, stale(app)));
      put(problems, problemList(status, stale(app)));
      clearTimeout(later);
      later = setTimeout(draw, Math.max(0, runningUntil - Date.now())); // let the dot arrive
      put(links, links.firstElementChild, linkTable(status, stale(app)));
      put(edges, edgeTable(status.edges ?? []));
    },
    event(event) {
      if (event.plate_id) put(begin);
      if (came.length === 0) requestAnimationFrame(take);
      came.push(event);
      if (came.length > MOST_EVENTS) came.shift(); // it would have left the list again at once
    },
  };
}

const stale = (app) => app.link !== "live";

/** From here straight to a vehicle. */
function search() {
  const input = el("input", {
    type: "search",
    name: "plate",
    autocomplete: "off",
    autocapitalize: "characters",
    spellcheck: "false",
    maxlength: 32,
    required: true,
    placeholder: t("vehicles.plate"),
  });
  return el(
    "form",
    {
      class: "quick",
      role: "search",
      onsubmit(submit) {
        submit.preventDefault();
        location.hash = `#/vehicles?${new URLSearchParams({ plate: input.value.trim() })}`;
      },
    },
    el("label", {}, el("span", { class: "unseen" }, t("vehicles.plate")), input),
    el("button", {}, t("vehicles.search")),
  );
}

function section(title, ...children) {
  return el("section", {}, el("h2", {}, title), ...children);
}

function summary(status, old) {
  return [
    card(t("now.card.health"), health(status, old)),
    card(t("now.card.conflicts"), conflicts(status.open_conflicts)),
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
    ...(status.uplink ? [card(t("now.card.uplink"), uplink(status.uplink))] : []),
  ];
}

/** How far the fleet of many sites is, by who sends to it. */
function uplink(state) {
  if (!state.running) return mark("warn", t("now.uplink.gone"));
  if (!state.sends) return t("now.uplink.by", { central: state.sender ?? "?" });
  if (state.lag === null) return mark("warn", t("now.uplink.unanswered"));
  return state.lag ? t("now.uplink.lag", { count: number(state.lag) }) : t("now.uplink.level");
}

/** All is well only where nothing is wrong and nothing waits for a person. */
function health(status, old) {
  const problems = status.problems?.length ?? 0;
  if (old) return mark("none", t("now.health.unknown"));
  if (problems) return mark("warn", t("now.health.problems", { count: number(problems) }));
  if (status.open_conflicts) return mark("warn", t("now.health.look"));
  return mark("good", t("now.health.good"));
}

function conflicts(count) {
  return count ? el("a", { href: "#/conflicts" }, number(count)) : number(count);
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

/** Who never called and who is silent for longest comes first: that is the news. */
function edgeTable(rows) {
  const silent = rows.toSorted((a, b) => (a.last_seen ?? "").localeCompare(b.last_seen ?? ""));
  const columns = [
    { head: t("col.edge"), cell: (edge) => edge.edge_id },
    {
      head: t("peer.heard"),
      cell: (edge) =>
        edge.last_seen ? dayTime(edge.last_seen) : mark("warn", t("now.edges.never")),
    },
  ];
  if (rows.some((edge) => edge.lane)) columns.push(...laneColumns());
  const shown = silent.slice(0, EDGES);
  const caption = t("now.edges.caption", {
    shown: number(shown.length),
    total: number(rows.length),
  });
  return table(caption, columns, shown, t("now.edges.none"), { class: "few" });
}

/** What the controllers of lanes say of them; an edge that speaks for itself has none. */
function laneColumns() {
  const of = (show) => (edge) => (edge.lane ? show(edge.lane) : nothing());
  return [
    {
      head: t("lane.last_event"),
      cell: of((lane) => (lane.last_event ? dayTime(lane.last_event) : t("lane.no_event"))),
    },
    { head: t("lane.reads"), number: true, cell: of((lane) => number(lane.reads)) },
    { head: t("lane.misreads"), number: true, cell: of((lane) => number(lane.misreads)) },
    {
      head: t("lane.p50"),
      number: true,
      cell: of(({ open_p50_ms: p50 }) =>
        p50 === null ? nothing() : `${number(Math.round(p50))} ms`,
      ),
    },
    { head: t("lane.state"), cell: of(laneState) },
  ];
}

function laneState(lane) {
  if (Date.now() - Date.parse(lane.told) > TOLD_MS) return mark("warn", t("lane.not_told"));
  if (lane.fault) return mark("warn", lane.fault);
  return lane.silent ? mark("warn", t("lane.silent")) : mark("good", t("lane.good"));
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
