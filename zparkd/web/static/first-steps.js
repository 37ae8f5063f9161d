// What a site at which no vehicle ever was begins with, and which of it is done.

import { get } from "./api.js";
import { el, put } from "./dom.js";
import { t } from "./i18n.js";
import { mark } from "./marks.js";

/** A place that holds the steps while no vehicle ever came; who hears of one empties it. */
export function firstSteps(app, signal) {
  const place = el("div", {});
  look(app, signal, place).catch((fault) => put(place, app.explain(fault) ?? []));
  return place;
}

async function look(app, signal, place) {
  const { total } = await get("/api/parking/history", { limit: 1 }, signal);
  if (total > 0) return;
  const [tariff, policy, { staff }] = await Promise.all(
    ["tariff", "policy", "staff"].map((name) => get(`/api/${name}`, {}, signal)),
  );
  const done = { tariff: tariff.version, policy: policy.version, staff: staff.length || null };
  const list = steps(app.status ?? {}, done).map(([name, href, isDone]) =>
    el(
      "li",
      {},
      el("a", { href }, t(`steps.${name}`)),
      " ",
      isDone ? mark("good", t("steps.done")) : null,
      el("p", { class: "quiet" }, t(`steps.${name}.how`)),
    ),
  );
  const lead = el("p", { class: "lead" }, t("steps.lead"));
  const all = [el("h2", {}, t("steps.title")), lead, el("ol", { class: "steps" }, list)];
  put(place, el("section", { class: "first-steps" }, all));
}

/** Each step: its name, where it is done, and whether it was. */
function steps(status, { tariff = null, policy = null, staff = null }) {
  return [
    ["edges", "#/peers", (status.edges ?? []).length > 0],
    ["tariff", "#/tariff", tariff !== null],
    ["policy", "#/policy", policy !== null],
    ["staff", "#/staff", staff !== null],
    ["peers", "#/peers", status.total_peers > 0],
    ["gate", "#/gate", false],
  ];
}
