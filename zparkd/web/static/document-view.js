// A document of the site, its tariff or its policy: the one that counts, and setting another.

import { get, putJson } from "./api.js";
import { dialog } from "./dialog.js";
import { el, field, put } from "./dom.js";
import { dayTime, number, t } from "./i18n.js";
import { mark } from "./marks.js";

/**
 * Two sections, `current` and `editor`, and `draft`, which tells what stands in the editor.
 *
 * `name` stands in the path and in the names of all words; `described` puts the document that
 * counts into words. Where this central has none of its kind, the editor goes and `absent` is told.
 */
export function documentView(app, signal, name, described, absent) {
  const path = `/api/${name}`;
  const shown = el("div", {}, el("p", { class: "quiet" }, t("loading")));
  const draft = el("textarea", {
    name: "toml",
    rows: 18,
    spellcheck: "false",
    autocomplete: "off",
  });
  const current = el("section", {}, el("h2", {}, t(`${name}.current`)), shown);
  const editor = el(
    "section",
    {},
    el("h2", {}, t(`${name}.set`)),
    el("p", { class: "lead" }, t(`${name}.set.lead`)),
    field(t(`${name}.toml`), draft),
    el(
      "div",
      { class: "actions" },
      el("button", { type: "button", class: "main", onclick: set }, t(`${name}.set.do`)),
      el("button", { type: "button", onclick: read }, t(`${name}.set.undo`)),
    ),
  );

  async function read() {
    try {
      const held = await get(path, {}, signal);
      put(shown, [el("p", {}, mark("good", origin(name, held))), described(held)].flat());
      draft.value = held.toml ?? "";
    } catch (fault) {
      put(shown, app.explain(fault) ?? []);
      if (fault.status !== 501) return;
      editor.remove();
      absent?.();
    }
  }

  async function set() {
    await dialog(
      t(`${name}.set.ask`),
      [el("p", {}, t(`${name}.set.why`))],
      t(`${name}.set.do`),
      async () => {
        await putJson(path, draft.value);
        app.toast("good", t(`${name}.set.done`));
        await read();
      },
    );
  }

  read();
  return { current, editor, draft: () => draft.value };
}

/** Who set it and when; a document that nobody set is the one that zparkd brings along. */
function origin(name, { version, set_by, set_at }) {
  if (version === null || version === undefined) return t(`${name}.built_in`);
  return t(`${name}.version`, {
    version: number(version),
    central: set_by ?? t("unknown"),
    time: dayTime(set_at),
  });
}
