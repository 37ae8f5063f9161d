// What a person may say of a stay: buttons where it is shown, each with a question that tells what
// will change, whose answer is recorded for good.

import { post } from "./api.js";
import { el, field } from "./dom.js";
import { dayTime, money, siteNow, t } from "./i18n.js";
import { dialog } from "./peer-forms.js";

/** The buttons for a stay; `done` is called once something was recorded. */
export function stayActs(app, stay, done) {
  if (!app.may("operator")) return null;
  const open = stay.status === "IN";
  const taken = { exit: stay.closed_by === "EXIT", close: stay.closed_by === "CORRECTION" };
  return el(
    "div",
    { class: "actions apart" },
    button("correct", () => correct(app, stay, done)),
    open ? button("close", () => close(app, stay, done)) : null,
    button("charge", () => charge(app, stay, done)),
    taken.exit || taken.close ? button("void_exit", () => voided(app, stay, true, done)) : null,
    button("void", () => voided(app, stay, false, done)),
  );
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
  const type = el("input", { name: "camera_type", value: stay.camera_type, maxlength: 32 });
  const fields = [field(t("correct.plate"), plate), field(t("col.type"), type)];
  return ask(app, "correct", stay, fields, {
    read: () => ({ plate: plate.value.trim(), camera_type: type.value.trim() || null }),
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

function voided(app, stay, exit, done) {
  return ask(app, exit ? "void_exit" : "void", stay, [], {
    path: "void",
    read: () => ({ exit }),
    done,
  });
}

function enter(app, plate) {
  const whose = el("input", { name: "plate", value: plate, required: true, maxlength: 32 });
  const type = el("input", { name: "camera_type", value: "car", required: true, maxlength: 32 });
  const at = moment("at", siteNow(app.session.timezone));
  const fields = [
    field(t("col.plate"), whose),
    field(t("col.type"), type),
    field(t("correct.entered_at"), at),
  ];
  return ask(app, "enter", null, fields, {
    read: () => ({
      plate: whose.value.trim(),
      camera_type: type.value.trim(),
      at: siteText(at.value),
    }),
    done: (answer) => {
      if (answer.stay) location.hash = `#/vehicles/${encodeURIComponent(answer.stay.plate_id)}`;
    },
  });
}

/** Ask for reason and staff, with what else an act needs; record it, and say what came of it. */
function ask(app, act, stay, fields, { read, done, path = act }) {
  const who = people(app);
  const content = [
    el("p", {}, t(`correct.${act}.why`)),
    stay === null ? null : el("p", { class: "quiet" }, described(stay)),
    ...fields,
    ...who.fields,
  ];
  const kind = act.startsWith("void") ? "danger" : "main";
  return dialog(
    t(`correct.${act}`),
    content,
    t(`correct.${act}.do`),
    async () => {
      const said = { ...read(), ...who.read() };
      if (stay !== null) said.event_id = stay.event_id;
      const answer = await post(`/api/corrections/${path}`, said);
      app.toast("good", came(answer));
      done(answer);
    },
    kind,
  );
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
function moment(name, now) {
  const value = now?.replace(" ", "T").slice(0, 16) ?? "";
  return el("input", { type: "datetime-local", name, value, required: now !== null });
}

function amount(name, more) {
  return el("input", { type: "number", name, step: 1, inputmode: "numeric", ...more });
}

const siteText = (value) => value.replace("T", " ");
