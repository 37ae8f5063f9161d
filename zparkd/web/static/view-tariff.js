// Tariff: what the site charges, what a stay would cost, and setting another one.

import { post } from "./api.js";
import { documentView } from "./document-view.js";
import { choice, el, field, put } from "./dom.js";
import { money, number, siteNow, t, word } from "./i18n.js";
import { table } from "./table.js";
import { tariffForm } from "./tariff-form.js";
import { typeInput, typeOf } from "./type-input.js";

export function show(place, app, signal) {
  const absent = () => quote.remove(); // there is nothing to quote by
  const view = documentView(app, signal, "tariff", { described, form: tariffForm, absent });
  const quote = el("section", {}, el("h2", {}, t("tariff.quote")), quoteForm(app, view.draft));
  place.append(view.current, quote);
  if (app.may("admin")) place.append(view.editor);
  return {};
}

function described(tariff) {
  const rates = tariff.rate ?? [];
  return [
    el("ul", { class: "rates" }, rates.map(rateCard)),
    el("p", { class: "quiet" }, t("tariff.others")),
    tariff.toml
      ? el(
          "details",
          { class: "as-table" },
          el("summary", {}, t("tariff.as_toml")),
          el("pre", {}, tariff.toml),
        )
      : null,
  ];
}

/** One rate in the words of who pays it. */
function rateCard(rate) {
  const coin = (amount) => money(amount, rate.currency);
  const steps = rate.step ?? [];
  const lines = [
    rate.free_minutes ? t("tariff.free", { minutes: number(rate.free_minutes) }) : null,
    ...steps.map((step, index) => stepLine(step, index ? steps[index - 1].until_minutes : 0, coin)),
    ...(rate.window ?? []).map((one) =>
      t("tariff.window", { from: one.from, to: one.to, amount: coin(one.amount) }),
    ),
    rate.cap_24h === undefined || rate.cap_24h === null
      ? null
      : t("tariff.cap", { amount: coin(rate.cap_24h) }),
    rate.round_to ? t("tariff.round", { amount: coin(rate.round_to) }) : null,
    rate.lost_ticket ? t("tariff.lost", { amount: coin(rate.lost_ticket) }) : null,
  ];
  return el(
    "li",
    { class: "panel" },
    el("h3", {}, word("type", rate.camera_type)),
    el(
      "ul",
      {},
      lines.filter(Boolean).map((line) => el("li", {}, line)),
    ),
  );
}

function stepLine(step, since, coin) {
  const values = {
    since: number(since ?? 0),
    until: number(step.until_minutes),
    every: number(step.every_minutes),
    amount: coin(step.amount),
  };
  if (step.until_minutes) return t(since ? "tariff.step.between" : "tariff.step.first", values);
  return t(since ? "tariff.step.after" : "tariff.step.only", values);
}

function quoteForm(app, draft) {
  const begin = `${siteNow(app.session.timezone).slice(0, 10)}T08:00`;
  const type = typeInput("car", { required: true });
  const entry = el("input", {
    type: "datetime-local",
    name: "entry",
    value: begin,
    required: true,
    step: 1,
  });
  const exit = el("input", {
    type: "datetime-local",
    name: "exit",
    value: begin.replace("T08", "T10"),
    required: true,
    step: 1,
  });
  const which = choice({ name: "which" }, [
    ["current", t("tariff.quote.current")],
    ["draft", t("tariff.quote.draft")],
  ]);
  const lost = el("input", { type: "checkbox", name: "lost_ticket" });
  const result = el("div", { class: "quote", "aria-live": "polite" });
  return el(
    "form",
    {
      class: "filters",
      async onsubmit(submit) {
        submit.preventDefault();
        const asked = {
          camera_type: typeOf(type),
          entry: siteText(entry.value),
          exit: siteText(exit.value),
        };
        if (which.value === "draft") asked.toml = draft();
        if (lost.checked) asked.lost_ticket = true;
        try {
          put(result, quoted(await post("/api/tariff/quote", asked)));
        } catch (fault) {
          put(result, app.explain(fault) ?? []);
        }
      },
    },
    field(t("col.type"), type),
    field(t("col.entry"), entry),
    field(t("col.exit"), exit),
    app.may("admin") ? field(t("tariff.quote.which"), which) : null,
    field(t("tariff.line.lost_ticket"), lost),
    el("div", { class: "actions" }, el("button", { class: "main" }, t("tariff.quote.do"))),
    result,
  );
}

/** What a field for day and time holds, as the server reads site time. */
function siteText(value) {
  const text = value.replace("T", " ");
  return text.length === 16 ? `${text}:00` : text;
}

function quoted(answer) {
  const columns = [
    { head: t("tariff.quote.rule"), cell: (line) => ruleWords(line, answer.currency) },
    {
      head: t("tariff.quote.amount"),
      number: true,
      cell: (line) => money(line.amount, answer.currency),
    },
  ];
  return [
    el(
      "p",
      {},
      el("strong", { class: "fee" }, money(answer.fee, answer.currency)),
      " ",
      el(
        "span",
        { class: "quiet" },
        t("tariff.quote.minutes", { minutes: number(answer.minutes) }),
      ),
    ),
    table(t("tariff.quote.breakdown"), columns, answer.breakdown ?? [], ""),
  ];
}

const MONEY = ["each", "cap_24h", "round_to", "limit"];

/** One line of a breakdown as a sentence: its rule, with the numbers that the rule goes by. */
function ruleWords(line, currency) {
  const values = Object.entries(line).map(([name, value]) => {
    if (MONEY.includes(name)) return [name, money(value, currency)];
    return [name, typeof value === "number" ? number(value) : value];
  });
  return t(`tariff.line.${line.rule}`, Object.fromEntries(values));
}
