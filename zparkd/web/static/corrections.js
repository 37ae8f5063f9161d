// What a person may say of a stay: buttons where it is shown, each with a question that tells what
// will change, whose answer is recorded for good.

import { post, Problem } from "./api.js";
import { dialog } from "./dialog.js";
import { choice, el, field } from "./dom.js";
import { dayTime, money, number, siteNow, t, word } from "./i18n.js";
import { typeInput, typeOf } from "./type-input.js";

/** The buttons for a stay; `done` is called once something was recorded. */
export function stayActs(app, stay, done) {
  if (!app.may("operator")) return null;
  const open = stay.status === "IN";
  const taken = { exit: stay.closed_by === "EXIT", close: stay.closed_by === "CORRECTION" };
  return el(
    "div",
    { class: "actions apart" },
    open ? letOutLink(stay) : null,
    button("correct", () => correct(app, stay, done)),
    open ? button("close", () => close(app, stay, done)) : null,
    button("charge", () => charge(app, stay, done)),
    taken.exit || taken.close ? button("void_exit", () => voided(app, stay, true, done)) : null,
    button("void", () => voided(app, stay, false, done)),
  );
}

/** To the gate, where the vehicle is let out as its camera would have asked. */
function letOutLink({ plate_id: plate, camera_type: type }) {
  const query = new URLSearchParams({ direction: "EXIT", plate, type });
  return el("a", { class: "button", href: `#/gate?${query}` }, t("gate.let_out"));
}

/** A button that takes, or gives back, what a merge found wrong in what was charged. */
export function settleAct(app, conflict, done) {
  if (!app.may("operator") || !conflict.due || !conflict.stay) return null;
  const words = t(conflict.due > 0 ? "conflicts.take" : "conflicts.give_back", {
    amount: money(Math.abs(conflict.due)),
  });
  const stay = { ...conflict, event_id: conflict.stay };
  return el(
    "button",
    { type: "button", "data-act": "settle", onclick: () => settle(app, stay, words, done) },
    words,
  );
}

/** A button by which a person says that a conflict is dealt with. */
export function ackAct(app, conflict, done) {
  if (!app.may("operator") || conflict.acknowledged) return null;
  return el(
    "button",
    { type: "button", "data-act": "ack", onclick: () => acknowledge(app, conflict, done) },
    t("conflicts.ack"),
  );
}

/** A button that has what is personal of a vehicle forgotten, once it has left. */
export function eraseAct(app, { plate_id: plate, stays, events }) {
  if (!app.may("admin") || stays.some((stay) => stay.status === "IN")) return null;
  const types = [...new Set(stays.map((stay) => stay.camera_type))];
  const act = () => erase(app, plate, types, { events: events.length, stays: stays.length });
  return el("button", { type: "button", class: "danger", "data-act": "erase", onclick: act }, [
    t("erase.do"),
  ]);
}

/** A button for a vehicle that no camera saw coming in. */
export function enterAct(app, plate) {
  if (!app.may("operator")) return null;
  return button("enter", () => enter(app, plate));
}

function button(act, onclick) {
  return el("button", { type: "button", onclick, "data-act": act }, t(`correct.${act}`));
}

function correct(app, stay, done) {
  const plate = el("input", { name: "plate", required: true, maxlength: 32, autocomplete: "off" });
  const type = typeInput(stay.camera_type);
  const fields = [field(t("correct.plate"), plate), field(t("col.type"), type)];
  return ask(app, "correct", stay, fields, {
    read: () => ({ plate: plate.value.trim(), camera_type: typeOf(type) || null }),
    done: (answer) => {
      location.hash = `#/vehicles/${encodeURIComponent(answer.stay?.plate_id ?? stay.plate_id)}`;
      done();
    },
  });
}

function close(app, stay, done) {
  const at = moment("at", null);
  const fee = amount("fee", { min: 0 });
  const fields = [
    field(t("correct.at"), at, t("correct.at.hint")),
    field(t("correct.fee"), fee, t("correct.fee.hint")),
  ];
  return ask(app, "close", stay, fields, {
    read: () => ({
      at: siteText(at.value) || null,
      fee: fee.value === "" ? null : Number(fee.value),
    }),
    done,
  });
}

function charge(app, stay, done) {
  const sum = amount("amount", { required: true });
  return ask(app, "charge", stay, [field(t("correct.amount"), sum, t("correct.amount.hint"))], {
    read: () => ({ amount: Number(sum.value) }),
    done,
  });
}

function settle(app, stay, words, done) {
  const sum = amount("amount", { required: true, value: stay.due });
  const content = [
    el("p", {}, t("conflicts.settle.why")),
    el("p", { class: "quiet" }, described(stay)),
    field(t("correct.amount"), sum, t("correct.amount.hint")),
  ];
  return asked(app, words, content, {
    yes: t("correct.charge.do"),
    send: (who) =>
      post("/api/corrections/charge", {
        event_id: stay.event_id,
        amount: Number(sum.value),
        ...who,
      }),
    done: (answer) => {
      app.toast("good", came(answer));
      done();
    },
  });
}

function acknowledge(app, conflict, done) {
  const content = [
    el("p", {}, t("conflicts.ack.why")),
    el("p", { class: "quiet" }, described(conflict)),
  ];
  return asked(app, t("conflicts.ack"), content, {
    yes: t("conflicts.ack.do"),
    send: (who) => post("/api/conflicts/ack", { id: conflict.id, ...who }),
    done: ({ already }) => {
      app.toast("good", t(already ? "conflicts.ack.already" : "conflicts.ack.done"));
      done();
    },
  });
}

function erase(app, plate, types, counts) {
  const type = choice({ name: "camera_type" }, [
    ["", t("erase.all_types")],
    ...types.map((one) => [one, word("type", one)]),
  ]);
  const again = el("input", { name: "again", required: true, autocomplete: "off" });
  const content = [
    el("p", {}, t("erase.why", counts)),
    types.length > 1 ? field(t("erase.type"), type) : null,
    field(t("erase.confirm"), again),
  ];
  return asked(app, t("erase.title", { plate }), content, {
    yes: t("erase.do"),
    kind: "danger",
    send: (who) => {
      if (again.value.replaceAll(/[\s.-]/g, "").toUpperCase() !== plate) {
        throw new Problem(400, "differs", t("erase.differs"), null);
      }
      const said = { camera_type: type.value || null, ...who };
      return post(`/api/parking/vehicles/${encodeURIComponent(plate)}/erase`, said);
    },
    done: ({ erased }) => {
      app.toast("good", t("erase.done", { count: number(erased) }));
      location.hash = "#/vehicles";
    },
  });
}

function voided(app, stay, exit, done) {
  return ask(app, exit ? "void_exit" : "void", stay, [], {
    path: "void",
    read: () => ({ exit }),
    done,
  });
}

/** A button for what a person said of a stay: that too can be void. */
export function voidAct(app, event, done) {
  const kinds = ["VEHICLE_CORRECTED", "STAY_CLOSED", "STAY_CHARGED", "EVENT_VOIDED"];
  const counts = kinds.includes(event.kind) && event.event_id && event.verdict !== "VOIDED";
  if (!app.may("operator") || !counts) return null;
  const what = t("correct.of_event", { what: word("kind", event.kind), time: dayTime(event.time) });
  const content = [el("p", {}, t("correct.void_event.why")), el("p", { class: "quiet" }, what)];
  const act = () =>
    asked(app, t("correct.void_event"), content, {
      yes: t("correct.void_event.do"),
      kind: "danger",
      send: (who) => post("/api/corrections/void", { event_id: event.event_id, ...who }),
      done: (answer) => {
        app.toast("good", came(answer));
        done();
      },
    });
  return button("void_event", act);
}

/** A button for an exit that ended nothing: it may have been another vehicle's, that is inside. */
export function whoseAct(app, conflict, done) {
  if (!app.may("operator") || conflict.kind !== "UNMATCHED" || conflict.acknowledged) return null;
  const stay = { ...conflict, stay: null };
  const act = () => correct(app, stay, done);
  return el("button", { type: "button", "data-act": "whose", onclick: act }, t("conflicts.whose"));
}

function enter(app, plate) {
  const whose = el("input", { name: "plate", value: plate, required: true, maxlength: 32 });
  const type = typeInput("car", { required: true });
  const at = moment("at", siteNow(app.session.timezone));
  const fields = [
    field(t("col.plate"), whose),
    field(t("col.type"), type),
    field(t("correct.entered_at"), at),
  ];
  return ask(app, "enter", null, fields, {
    read: () => ({
      plate: whose.value.trim(),
      camera_type: typeOf(type),
      at: siteText(at.value),
    }),
    done: (answer) => {
      if (answer.stay) location.hash = `#/vehicles/${encodeURIComponent(answer.stay.plate_id)}`;
    },
  });
}

/** Ask for reason and staff, with what else an act needs; record it, and say what came of it. */
function ask(app, act, stay, fields, { read, done, path = act }) {
  const content = [
    el("p", {}, t(`correct.${act}.why`)),
    stay === null ? null : el("p", { class: "quiet" }, described(stay)),
    ...fields,
  ];
  return asked(app, t(`correct.${act}`), content, {
    yes: t(`correct.${act}.do`),
    kind: act.startsWith("void") ? "danger" : "main",
    send: (who) => {
      const said = { ...read(), ...who };
      if (stay !== null) said.event_id = stay.event_id;
      return post(`/api/corrections/${path}`, said);
    },
    done: (answer) => {
      app.toast("good", came(answer));
      done(answer);
    },
  });
}

/** A question to which who acts and why belong; `send` records it, `done` is told the answer. */
export function asked(app, title, content, { yes, send, done, kind = "main" }) {
  const who = people(app);
  const act = async () => done(await send(who.read()));
  return dialog(title, [...content, ...who.fields], yes, act, kind);
}

/** Who acts, and why: of who is logged in as one of the staff, the reason alone is asked. */
export function people(app) {
  const own = app.session.staff_id;
  const staff = el("input", { name: "staff_id", required: true, maxlength: 64, value: own ?? "" });
  staff.readOnly = Boolean(own);
  const reason = el("input", { name: "reason", required: true, maxlength: 255 });
  return {
    fields: [field(t("correct.staff"), staff), field(t("correct.reason"), reason)],
    read: () => ({ staff_id: staff.value.trim(), reason: reason.value.trim() }),
  };
}

function described(stay) {
  if (stay.kind) return `${stay.plate_id} · ${word("remark", stay.kind)} · ${dayTime(stay.time)}`;
  const values = {
    plate: stay.plate_view ?? stay.plate_id,
    entry: dayTime(stay.entry_time),
    exit: stay.exit_time ? dayTime(stay.exit_time) : t("none"),
    fee: money(stay.fee, stay.currency),
  };
  return t("correct.of", values);
}

/** What was recorded, and what the stay is now. */
function came({ stay }) {
  if (!stay) return t("correct.done");
  const state = t(stay.status === "IN" ? "correct.now.in" : "correct.now.out", {
    plate: stay.plate_view ?? stay.plate_id,
    fee: money(stay.fee === null ? stay.fee : stay.fee + (stay.adjusted ?? 0), stay.currency),
  });
  return `${t("correct.done")} ${state}`;
}

/** A field for day and time; one that begins empty may stay so. */
export function moment(name, now) {
  const value = now?.replace(" ", "T").slice(0, 16) ?? "";
  return el("input", { type: "datetime-local", name, value, required: now !== null });
}

export function amount(name, more) {
  return el("input", { type: "number", name, step: 1, inputmode: "numeric", ...more });
}

export const siteText = (value) => value.replace("T", " ");
