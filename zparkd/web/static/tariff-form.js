// A tariff as fields: what each type of vehicle pays, with its steps and its windows of the day.

import { el, field, put } from "./dom.js";
import { t, word } from "./i18n.js";
import { typeInput, typeOf } from "./type-input.js";

const SUMS = ["free_minutes", "cap_24h", "round_to", "lost_ticket"];
const STEP = ["until_minutes", "every_minutes", "amount"];
const WINDOW = ["from", "to", "amount"];

/** Fields for a tariff: `read` says what stands in them, `wrong` marks those that are at fault. */
export function tariffForm({ rate }) {
  const rates = [];
  const box = el("div", {});
  const add = el(
    "button",
    { type: "button", "data-act": "add_rate", onclick: () => added({ step: [{}] }) },
    t("tariff.form.add_rate"),
  );
  function added(one) {
    const part = rateFields(one, () => {
      rates.splice(rates.indexOf(part), 1);
      draw();
    });
    rates.push(part);
    draw();
  }
  const draw = () => put(box, rates.map(({ node }) => node));
  for (const one of rate) added(one);
  return {
    node: el("div", {}, box, el("p", {}, add)),
    read: () => ({ rate: rates.map((one) => one.read()) }),
    wrong: (faults) => markWrong(rates, faults),
  };
}

/** Marks the fields that faults name, as in `rate[0].step[1].amount: must be …`. */
function markWrong(rates, faults) {
  for (const part of rates) {
    for (const input of part.node.querySelectorAll("input")) input.removeAttribute("aria-invalid");
  }
  for (const fault of faults) {
    const named = /rate\[(\d+)\]\.(?:(step|window)\[(\d+)\]\.)?(\w+)/.exec(fault);
    if (!named) continue;
    const [, at, list = "", row = "", name] = named;
    const key = list ? `${list}.${row}.${name}` : name;
    rates[Number(at)]?.inputs()[key]?.setAttribute("aria-invalid", "true");
  }
}

function rateFields(rate, remove) {
  const type = typeInput(rate.camera_type ?? "", { required: true });
  const currency = el("input", { name: "currency", value: rate.currency ?? "VND", maxlength: 3 });
  const sums = Object.fromEntries(SUMS.map((name) => [name, whole(name, rate[name])]));
  const steps = rows("step", STEP, rate.step ?? []);
  const windows = rows("window", WINDOW, rate.window ?? []);
  const node = el(
    "fieldset",
    { class: "panel rate" },
    el("legend", {}, rate.camera_type ? word("type", rate.camera_type) : t("tariff.form.new")),
    el(
      "div",
      { class: "filters" },
      field(t("col.type"), type),
      field(t("tariff.form.currency"), currency),
      SUMS.map((name) => field(t(`tariff.form.${name}`), sums[name])),
    ),
    steps.node,
    windows.node,
    el(
      "p",
      {},
      el(
        "button",
        { type: "button", class: "danger", onclick: remove },
        t("tariff.form.remove_rate"),
      ),
    ),
  );
  return {
    node,
    inputs: () => {
      const plain = { camera_type: type, currency, ...sums };
      return { ...plain, ...steps.inputs(), ...windows.inputs() };
    },
    read() {
      const said = { camera_type: typeOf(type), currency: currency.value.trim() || "VND" };
      for (const name of SUMS) if (sums[name].value !== "") said[name] = Number(sums[name].value);
      if (steps.read().length) said.step = steps.read();
      if (windows.read().length) said.window = windows.read();
      return said;
    },
  };
}

/** Lines of fields, one added and taken away at a time. */
function rows(kind, names, given) {
  const held = [];
  const list = el("ol", { class: "lines" });
  const heading = el("h3", {}, t(`tariff.form.${kind}`));
  const add = el(
    "button",
    { type: "button", "data-act": `add_${kind}`, onclick: () => added({}) },
    t(`tariff.form.add_${kind}`),
  );
  function added(row) {
    const inputs = Object.fromEntries(names.map((name) => [name, cell(name, row[name])]));
    const fields = names.map((name) => field(t(`tariff.form.${name}`), inputs[name]));
    const drop = () => {
      held.splice(held.indexOf(line), 1);
      draw();
    };
    const gone = el("button", { type: "button", onclick: drop }, t("list.remove"));
    const line = { inputs, node: el("li", { class: "filters" }, fields, gone) };
    held.push(line);
    draw();
  }
  const draw = () => put(list, held.map(({ node }) => node));
  for (const row of given) added(row);
  const valueOf = (name, input) => (input.type === "number" ? Number(input.value) : input.value);
  return {
    node: el("div", {}, heading, list, add),
    inputs() {
      const named = ({ inputs }, at) =>
        names.map((name) => [`${kind}.${at}.${name}`, inputs[name]]);
      return Object.fromEntries(held.flatMap(named));
    },
    read: () =>
      held.map(({ inputs }) =>
        Object.fromEntries(
          names
            .filter((name) => inputs[name].value !== "")
            .map((name) => [name, valueOf(name, inputs[name])]),
        ),
      ),
  };
}

function whole(name, value) {
  const shared = { type: "number", step: 1, inputmode: "numeric" };
  return el("input", { ...shared, name, value: value ?? "" });
}

const cell = (name, value) =>
  name === "from" || name === "to"
    ? el("input", { type: "time", name, value: value ?? "" })
    : whole(name, value);
