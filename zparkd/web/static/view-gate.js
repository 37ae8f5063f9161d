// Gate: a person asks in the place of a lane's camera. First what the central knows of the plate is
// shown, and who else it may be; what is then opened is recorded with who and why.

import { get, post } from "./api.js";
import { amount, asked, moment, siteText } from "./corrections.js";
import { choice, el, field, put } from "./dom.js";
import { dayTime, duration, money, number, siteNow, t, word } from "./i18n.js";
import { mark, plateLink } from "./marks.js";
import { table } from "./table.js";
import { typeInput, typeOf } from "./type-input.js";

export function show(place, app, signal) {
  const query = app.route.query;
  const lanes = (app.status?.edges ?? []).map((edge) => edge.edge_id);
  const lane = el("input", {
    name: "edge_id",
    required: true,
    list: "lanes",
    maxlength: 64,
    autocomplete: "off",
    value: query.get("edge") ?? (lanes.length === 1 ? lanes[0] : ""),
  });
  const direction = choice(
    { name: "direction" },
    [
      ["EXIT", t("gate.exit")],
      ["ENTRY", t("gate.entry")],
    ],
    query.get("direction") ?? "EXIT",
  );
  const plate = el("input", {
    name: "plate",
    value: query.get("plate") ?? "",
    maxlength: 32,
    autocomplete: "off",
    autocapitalize: "characters",
    spellcheck: "false",
  });
  const type = typeInput(query.get("type") ?? "");
  const found = el("div", { "aria-live": "polite" });
  const options = el("datalist", { id: "lanes" });
  const form = el(
    "form",
    {
      class: "filters",
      async onsubmit(submit) {
        submit.preventDefault();
        await look(at());
      },
    },
    field(t("gate.lane"), lane, t("gate.lane.hint")),
    field(t("gate.direction"), direction),
    field(t("col.plate"), plate, t("gate.plate.hint")),
    field(t("col.type"), type, t("gate.type.hint")),
    options,
    el("div", { class: "actions" }, el("button", { class: "main" }, t("gate.look"))),
  );
  place.append(el("p", { class: "lead" }, t("gate.lead")), form, found);

  /** What is asked, as the gate takes it. */
  function at() {
    const said = { edge_id: lane.value.trim(), direction: direction.value };
    if (plate.value.trim()) said.plate_id = said.plate_view = plate.value.trim();
    if (typeOf(type)) said.camera_type = typeOf(type);
    return said;
  }

  /** Ask what is known of a plate; `read` is what the camera took it for, where that differs. */
  async function look(said, read = null) {
    if (!said.plate_id) {
      put(found, withoutPlate(said));
      return;
    }
    try {
      const inside = said.direction === "EXIT" && !said.camera_type ? await openStays(said) : [];
      if (inside.length > 1) {
        put(found, whichOf(said, inside));
        return;
      }
      const { vehicle_info: info } = await post("/api/edge/detection", said);
      const told = said.direction === "ENTRY" ? coming(said, info) : leaving(said, info, read);
      put(found, el("section", { class: "panel" }, heading(said, info, read), told));
    } catch (fault) {
      put(found, app.explain(fault) ?? []);
    }
  }

  /** Who is inside with this plate: a car and a motorbike may share one, and no gate guesses. */
  async function openStays({ plate_id: plateId }) {
    const wanted = { plate: plateId, inside: 1, limit: 10 };
    return (await get("/api/parking/history", wanted, signal)).history;
  }

  function heading({ plate_id: plateId }, info, read) {
    return [
      el("h2", {}, el("span", { class: "plate large" }, plateId)),
      read ? el("p", {}, mark("warn", t("gate.read_as", { plate: read }))) : null,
      info.watch ? el("p", {}, mark("warn", t("gate.watched", { words: info.watch }))) : null,
      info.incomplete
        ? el("p", {}, mark("warn", t("gate.incomplete", { centrals: info.incomplete.join(", ") })))
        : null,
    ];
  }

  function coming(said, info) {
    if (!info.already_inside) {
      const go = () => open(said, "gate.let_in", [el("p", {}, t("gate.let_in.why"))]);
      return [
        el("p", {}, mark("good", t("gate.not_inside"))),
        button("let_in", "main", go, "gate.let_in"),
      ];
    }
    const force = () =>
      open({ ...said, force: true }, "gate.force_in", [el("p", {}, t("gate.force_in.why"))]);
    return [
      el("p", {}, mark("warn", insideSince(info))),
      button("force_in", "danger", force, "gate.force_in"),
    ];
  }

  function leaving(said, info, read) {
    if (info.already_inside) {
      const named = { ...said, event_id: info.event_id };
      if (read) named.plate_id = named.plate_view = read;
      const holder = info.pass ? t("gate.pass", { until: info.pass.valid_until }) : null;
      const owed = { fee: money(info.fee), duration: since(info.entry_time) };
      const sum = [t("gate.fee", owed), holder];
      return [
        el("p", {}, mark("in", insideSince(info))),
        el("p", { class: "fee" }, sum.filter(Boolean).join(" · ")),
        button("let_out", "main", () => letOut(named, sum[0], read), "gate.let_out"),
      ];
    }
    return [
      el("p", {}, mark("warn", t("gate.not_inside"))),
      candidates(said, info.candidates ?? []),
      button("force_out", "danger", () => forceOut(said), "gate.force_out"),
    ];
  }

  /** Who it may be that stands there: who is picked is looked at as if the camera had read it. */
  function candidates(said, rows) {
    if (rows.length === 0) return el("p", {}, t("gate.candidates.none"));
    return pick(t("gate.candidates"), rows, (row) => look(as(said, row), said.plate_id));
  }

  /** A car and a motorbike of one plate. */
  function whichOf(said, rows) {
    return pick(t("gate.which"), rows, (row) => look(as(said, row)));
  }

  const as = (said, { plate_id: plateId, camera_type: cameraType, plate_view: view }) => ({
    ...said,
    plate_id: plateId,
    plate_view: view ?? plateId,
    camera_type: cameraType,
  });

  function pick(caption, rows, picked) {
    const columns = [
      { head: t("col.plate"), cell: (row) => plateLink(row.plate_id, row.plate_view) },
      { head: t("col.type"), cell: (row) => word("type", row.camera_type) },
      { head: t("col.entry"), cell: (row) => dayTime(row.entry_time) },
      {
        head: t("gate.match"),
        cell: (row) =>
          row.strong
            ? mark("good", t("gate.match.strong"))
            : t("gate.match.weak", { percent: number(Math.round(100 * (row.match ?? 1))) }),
      },
      {
        head: t("peers.actions"),
        cell: (row) => button("pick", "", () => picked(row), "gate.pick"),
      },
    ];
    if (rows.every((row) => row.match === undefined)) columns.splice(3, 1);
    return table(caption, columns, rows, "");
  }

  function letOut(said, sum, read) {
    const lost = el("input", { type: "checkbox", name: "lost_ticket" });
    const content = [
      el("p", {}, t(read ? "gate.let_out.misread" : "gate.let_out.why")),
      el("p", { class: "quiet" }, sum),
      field(t("gate.lost"), lost, t("gate.lost.hint")),
    ];
    open(said, "gate.let_out", content, () => (lost.checked ? { lost_ticket: true } : {}));
  }

  function forceOut(said) {
    const fee = amount("fee", { min: 0 });
    const from = moment("entry_time", null);
    const lost = el("input", { type: "checkbox", name: "lost_ticket" });
    const content = [
      el("p", {}, t("gate.force_out.why")),
      field(t("correct.fee"), fee, t("gate.taken.hint")),
      field(t("correct.entered_at"), from, t("gate.since.hint")),
      field(t("gate.lost"), lost, t("gate.lost.hint")),
    ];
    open({ ...said, force: true }, "gate.force_out", content, () => ({
      ...(fee.value === "" ? {} : { fee: Number(fee.value) }),
      ...(from.value === "" ? {} : { entry_time: siteText(from.value) }),
      ...(lost.checked ? { lost_ticket: true } : {}),
    }));
  }

  function withoutPlate(said) {
    const words = [el("p", {}, t("gate.manual.why"))];
    const go = () => open({ edge_id: said.edge_id, force: true }, "gate.manual", words);
    return el(
      "section",
      { class: "panel" },
      el("p", {}, mark("warn", t("gate.manual.why"))),
      button("manual", "danger", go, "gate.manual"),
    );
  }

  /** The question; its answer is asked of the gate under one id, however often it is sent. */
  function open(said, act, content, more = () => ({})) {
    const requestId = `page-${Date.now()}-${Math.random().toString(36).slice(2)}`;
    const where = t("gate.at", { lane: said.edge_id });
    return asked(app, t(act), [el("p", { class: "quiet" }, where), ...content], {
      yes: t("gate.open"),
      kind: said.force ? "danger" : "main",
      send: async (who) => {
        const wanted = { ...said, ...more(), ...who, request_id: requestId };
        try {
          return await post("/api/edge/barrier/open", wanted);
        } catch (fault) {
          if (fault.code === "full") put(found, stillIn(said));
          throw fault;
        }
      },
      done: (answer) => put(found, opened(answer, said)),
    });
  }

  function stillIn(said) {
    const content = [el("p", {}, t("gate.full.why"))];
    const force = () => open({ ...said, force: true }, "gate.full", content);
    return el(
      "section",
      { class: "panel" },
      el("p", {}, mark("warn", t("fault.full"))),
      button("force_in", "danger", force, "gate.full"),
    );
  }

  function opened(answer, said) {
    plate.value = "";
    app.toast("good", t("gate.opened"));
    const sum = answer.fee === undefined ? null : money(answer.fee, answer.currency);
    return el(
      "section",
      { class: "panel opened" },
      el("p", {}, mark("good", t("gate.opened"))),
      el(
        "p",
        {},
        el("strong", {}, t(`gate.action.${answer.action}`)),
        " ",
        said.plate_id ? plateLink(answer.plate_id ?? said.plate_id) : null,
        sum ? el("strong", { class: "fee" }, ` ${sum}`) : null,
        answer.duration && !answer.unmatched ? ` · ${duration(answer.duration_s)}` : null,
      ),
      answer.unmatched ? el("p", {}, mark("warn", t("gate.unmatched"))) : null,
    );
  }

  /** How long ago a time of the site was. */
  const since = (time) =>
    duration((Date.parse(siteNow(app.session.timezone)) - Date.parse(time)) / 1000);

  const listLanes = (edges) =>
    put(
      options,
      edges.map(({ edge_id: id }) => el("option", { value: id })),
    );
  listLanes(app.status?.edges ?? []);
  if (query.get("plate") && lane.value) look(at());
  else (lane.value ? plate : lane).focus();
  return { status: (status) => listLanes(status.edges ?? []) };
}

function button(act, kind, onclick, words) {
  return el("button", { type: "button", class: kind || null, onclick, "data-act": act }, t(words));
}

function insideSince(info) {
  return t("vehicles.inside_since", {
    time: dayTime(info.entry_time),
    at: info.source_central ?? "",
  });
}
