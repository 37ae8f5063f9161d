// Policy: what gates do where the tariff says nothing; seen in words, and set for the site.

import { get, putJson } from "./api.js";
import { dialog } from "./dialog.js";
import { el, field, put } from "./dom.js";
import { dayTime, number, t, word } from "./i18n.js";
import { mark } from "./marks.js";

export function show(place, app, signal) {
  const current = el("div", {}, el("p", { class: "quiet" }, t("loading")));
  const draft = el("textarea", {
    name: "toml",
    rows: 18,
    spellcheck: "false",
    autocomplete: "off",
  });
  const editor = el(
    "section",
    {},
    el("h2", {}, t("policy.set")),
    el("p", { class: "lead" }, t("policy.set.lead")),
    field(t("policy.toml"), draft),
    el(
      "div",
      { class: "actions" },
      el("button", { type: "button", class: "main", onclick: set }, t("policy.set.do")),
      el("button", { type: "button", onclick: read }, t("policy.set.undo")),
    ),
  );
  place.append(el("section", {}, el("h2", {}, t("policy.current")), current));
  if (app.may("admin")) place.append(editor);

  async function read() {
    try {
      const policy = await get("/api/policy", {}, signal);
      put(current, described(policy));
      draft.value = policy.toml;
    } catch (fault) {
      put(current, app.explain(fault) ?? []);
    }
  }

  async function set() {
    await dialog(
      t("policy.set.ask"),
      [el("p", {}, t("policy.set.why"))],
      t("policy.set.do"),
      async () => {
        await putJson("/api/policy", draft.value);
        app.toast("good", t("policy.set.done"));
        await read();
      },
    );
  }

  read();
  return {};
}

function described({ version, set_by, set_at, policy }) {
  const origin =
    version === null
      ? t("policy.built_in")
      : t("policy.version", {
          version: number(version),
          central: set_by ?? t("unknown"),
          time: dayTime(set_at),
        });
  const full = Object.entries(policy.capacity);
  const watched = Object.entries(policy.watch);
  const lines = [
    full.length
      ? full.map(([type, count]) =>
          t("policy.capacity", { type: word("type", type), count: number(count) }),
        )
      : [t("policy.capacity.none")],
    t(`policy.full.${policy.entry.full}`),
    t("policy.not_taken", { seconds: number(policy.entry.not_taken_after_s) }),
    t(`policy.misread.${policy.exit.misread}`),
    policy.alerts.silent_edge_min
      ? t("policy.silent", { minutes: number(policy.alerts.silent_edge_min) })
      : t("policy.silent.never"),
    policy.privacy.keep_days
      ? t("policy.keep", { days: number(policy.privacy.keep_days) })
      : t("policy.keep.always"),
    watched.map(([plate, words]) => t("policy.watch", { plate, words })),
  ].flat();
  return [
    el("p", {}, mark("good", origin)),
    el(
      "ul",
      { class: "panel" },
      lines.map((line) => el("li", {}, line)),
    ),
  ];
}
