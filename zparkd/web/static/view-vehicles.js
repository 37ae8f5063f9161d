// Vehicles: search by plate, also by a part of it; then one vehicle's whole story.

import { get } from "./api.js";
import { enterAct, eraseAct, stayActs, voidAct } from "./corrections.js";
import { el, field, pressed, put } from "./dom.js";
import { dayTime, duration, money, number, t, word } from "./i18n.js";
import { kindMark, mark, nothing, plateLink, remarks, stayMark } from "./marks.js";
import { table } from "./table.js";

const MOST_FOUND = 50;

export function show(place, app, signal) {
  const plate = app.route.rest;
  if (plate) return story(place, app, signal, plate);
  return search(place, app, signal);
}

function search(place, app, signal) {
  const asked = app.route.query.get("plate") ?? "";
  const input = el("input", {
    type: "search",
    name: "plate",
    value: asked,
    autocomplete: "off",
    autocapitalize: "characters",
    spellcheck: "false",
    maxlength: 32,
    required: true,
  });
  const found = el("div", { "aria-live": "polite" });
  const form = el(
    "form",
    {
      class: "filters",
      role: "search",
      onsubmit(submit) {
        submit.preventDefault();
        location.hash = `#/vehicles?${new URLSearchParams({ plate: input.value.trim() })}`;
      },
    },
    field(t("vehicles.plate"), input, t("vehicles.hint")),
    el("button", { class: "main" }, t("vehicles.search")),
  );
  const enter = enterAct(app, asked);
  place.append(form, found, ...(enter ? [el("p", { class: "actions" }, enter)] : []));
  if (!asked) return {};
  put(found, el("p", { class: "quiet" }, t("loading")));
  get("/api/parking/vehicles", { plate: asked, limit: MOST_FOUND }, signal)
    .then(({ vehicles, plates }) => {
      const same = vehicles.find((one) => one.fit === "same");
      if (same) location.replace(`#/vehicles/${encodeURIComponent(same.plate_id)}`);
      else put(found, results(vehicles, plates, asked));
    })
    .catch((fault) => put(found, app.explain(fault) ?? []));
  return {};
}

function results(rows, total, asked) {
  const columns = [
    { head: t("col.plate"), cell: (row) => plateLink(row.plate_id, row.plate_view) },
    { head: t("col.type"), cell: (row) => word("type", row.camera_type) },
    { head: t("col.status"), cell: (row) => presence(row) },
    {
      head: t("vehicles.last"),
      cell: (row) => (row.entry_time ? dayTime(row.entry_time) : nothing()),
    },
    { head: t("vehicles.count"), number: true, cell: (row) => number(row.stays) },
    {
      head: t("vehicles.fit"),
      cell: (row) =>
        row.fit === "alike" ? mark("warn", t("vehicles.fit.alike")) : t("vehicles.fit.part"),
    },
  ];
  const plates = new Set(rows.map((row) => row.plate_id)).size;
  const values = { shown: number(plates), total: number(total), asked };
  return table(t("vehicles.found", values), columns, rows, t("vehicles.none", { asked }));
}

function presence(row) {
  if (row.stays === 0) return mark("none", t("vehicles.no_stay"));
  return row.inside ? mark("in", t("stay.in")) : mark("out", t("stay.out"));
}

/** What all centrals know of one plate, oldest first; told anew when something happens to it. */
function story(place, app, signal, plate) {
  const told = el("div", {});
  place.append(el("p", {}, el("a", { href: "#/vehicles" }, t("vehicles.back"))), told);
  let known = null;
  async function tell() {
    try {
      const answer = await get(`/api/parking/vehicles/${encodeURIComponent(plate)}`, {}, signal);
      if (pressed(told)) {
        setTimeout(tell, 300);
        return;
      }
      known = answer.plate_id;
      const inside = answer.stays.some((stay) => stay.status === "IN");
      const acts = [inside ? null : enterAct(app, answer.plate_id), eraseAct(app, answer)];
      put(
        told,
        heading(answer),
        staysOf(answer, app, tell),
        eventsOf(answer, app, tell),
        el("p", { class: "actions" }, acts),
      );
    } catch (fault) {
      put(told, app.explain(fault) ?? []);
    }
  }
  tell();
  return {
    event(event) {
      if (event.plate_id === known) tell();
    },
  };
}

function heading({ plate_id, stays }) {
  const inside = stays.find((stay) => stay.status === "IN");
  const view = stays.findLast((stay) => stay.plate_view)?.plate_view ?? plate_id;
  const state = inside
    ? mark(
        "in",
        t("vehicles.inside_since", { time: dayTime(inside.entry_time), at: inside.camera_name }),
      )
    : mark("out", t(stays.length ? "vehicles.left" : "vehicles.no_stay"));
  return el("h2", { class: "of-vehicle" }, el("span", { class: "plate large" }, view), state);
}

function staysOf({ stays }, app, done) {
  return el(
    "section",
    {},
    el("h2", {}, t("vehicles.stays", { count: number(stays.length) })),
    stays.length === 0
      ? el("p", { class: "empty" }, t("vehicles.stays.none"))
      : el("ol", { class: "stays" }, stays.map((stay) => stayPanel(stay, app, done))),
  );
}

function stayPanel(stay, app, done) {
  const exit = stay.exit_time
    ? `${dayTime(stay.exit_time)} · ${stay.exit_central ?? ""}/${stay.exit_edge_id ?? ""}`
    : t("none");
  const facts = [
    [t("col.status"), stayMark(stay)],
    [t("col.type"), word("type", stay.camera_type)],
    [t("col.entry"), `${dayTime(stay.entry_time)} · ${stay.camera_name}`],
    [t("col.exit"), exit],
    [t("col.duration"), duration(stay.duration_s)],
    [t("col.fee"), money(stay.fee, stay.currency)],
    stay.adjusted ? [t("col.adjusted"), money(stay.adjusted, stay.currency)] : null,
    stay.plate_read ? [t("col.plate_read"), el("span", { class: "plate" }, stay.plate_read)] : null,
    [t("col.confirmed"), stay.confirmed ? mark("good", t("yes")) : mark("none", t("no"))],
    [t("col.closed_by"), stay.closed_by ? word("closed_by", stay.closed_by) : t("none")],
    [t("col.decided"), decided(stay)],
    [t("col.remarks"), remarks(stay.remarks)],
    [t("col.event_id"), el("code", {}, stay.event_id)],
  ].filter(Boolean);
  return el(
    "li",
    { class: "panel" },
    el(
      "dl",
      { class: "facts" },
      facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
    ),
    stayActs(app, stay, done),
  );
}

function decided(stay) {
  const entry = t("vehicles.decided.entry", { central: stay.source_central });
  return stay.exit_central
    ? `${entry}; ${t("vehicles.decided.exit", { central: stay.exit_central })}`
    : entry;
}

/** Each event as one line of a story: when, what, who saw it, and what it counts for. */
function eventsOf({ events }, app, done) {
  // A car and a motorbike may share a plate.
  const types = new Set(events.map((event) => event.camera_type));
  return el(
    "section",
    {},
    el("h2", {}, t("vehicles.story")),
    events.length === 0
      ? el("p", { class: "empty" }, t("vehicles.story.none"))
      : el(
          "ol",
          { class: "story" },
          events.map((event) => eventEntry(event, types.size > 1, voidAct(app, event, done))),
        ),
  );
}

/** Shown where this machine has it; the original opens with a click. */
function picture(event) {
  const href = `/api/pictures/${event.image.split("/").map(encodeURIComponent).join("/")}`;
  const shown = el("img", {
    src: href,
    loading: "lazy",
    alt: t("vehicles.picture", { time: dayTime(event.time), edge: event.edge_id ?? t("none") }),
  });
  const link = el("a", { class: "picture", href, target: "_blank" }, shown);
  shown.addEventListener("error", () => link.remove());
  return link;
}

function eventEntry(event, withType, act) {
  const lines = [
    withType && el("span", {}, word("type", event.camera_type)),
    event.verdict && mark("warn", word("verdict", event.verdict)),
    event.verdict && event.counts_for
      ? el("span", {}, `${t("vehicles.counts_for")} `, el("code", {}, event.counts_for))
      : null,
    event.forced && mark("warn", t("vehicles.forced")),
    event.reason && el("span", {}, t("vehicles.reason", { reason: event.reason })),
    event.staff_id && el("span", {}, t("vehicles.staff", { staff: event.staff_id })),
    event.by && el("span", {}, t("vehicles.by", { by: event.by })),
    event.image && picture(event),
    act,
  ].filter(Boolean);
  return el(
    "li",
    {},
    el("time", {}, dayTime(event.time)),
    el(
      "div",
      {},
      kindMark(event.kind),
      " ",
      el(
        "span",
        { class: "quiet" },
        t("vehicles.seen_by", { edge: event.edge_id ?? t("none"), central: event.central }),
      ),
      event.fee === null || event.fee === undefined
        ? null
        : el("strong", {}, ` ${money(event.fee, event.currency)}`),
      lines.map((line) => el("div", {}, line)),
    ),
  );
}
