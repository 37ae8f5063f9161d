// Policy: what gates do where the tariff says nothing; seen in words, and set for the site.

import { documentView } from "./document-view.js";
import { el } from "./dom.js";
import { number, t, word } from "./i18n.js";

export function show(place, app, signal) {
  const view = documentView(app, signal, "policy", { described });
  place.append(view.current);
  if (app.may("admin")) place.append(view.editor);
  return {};
}

function described({ policy }) {
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
    el(
      "ul",
      { class: "panel" },
      lines.map((line) => el("li", {}, line)),
    ),
  ];
}
