// A document of the site, its tariff or its policy: the one that counts, and setting another. What
// is written is judged first; then the question shows line by line what it would change.

import { get, post, Problem, putJson } from "./api.js";
import { dialog, refusal } from "./dialog.js";
import { difference } from "./difference.js";
import { el, field, put } from "./dom.js";
import { dayTime, number, t } from "./i18n.js";
import { mark } from "./marks.js";

/**
 * Two sections, `current` and `editor`, and `draft`, which tells what stands in the editor.
 *
 * `name` stands in the path and in the names of all words; `described` puts the document that
 * counts into words. `form`, where there is one, makes of a document {node, read, wrong}: fields in
 * place of text. Where this central has none of its kind, the editor goes and `absent` is told.
 */
export function documentView(app, signal, name, { described, form = null, absent = null }) {
  const path = `/api/${name}`;
  const shown = el("div", {}, el("p", { class: "quiet" }, t("loading")));
  const text = el("textarea", {
    name: "toml",
    rows: 18,
    spellcheck: "false",
    autocomplete: "off",
  });
  const box = el("div", {});
  const said = el("div", { "aria-live": "assertive" });
  let held = null; // the one that counts
  let fields = null; // what `form` made, where fields stand in the editor
  const current = el("section", {}, el("h2", {}, t(`${name}.current`)), shown);
  const turn = el("button", { type: "button", "data-act": "turn", onclick: turned });
  const editor = el(
    "section",
    {},
    el("h2", {}, t(`${name}.set`)),
    el("p", { class: "lead" }, t(`${name}.set.lead`)),
    form ? el("p", {}, turn) : null,
    box,
    said,
    el(
      "div",
      { class: "actions below" },
      el(
        "button",
        { type: "button", class: "main", "data-act": "set", onclick: set },
        t(`${name}.set.do`),
      ),
      el("button", { type: "button", onclick: read }, t(`${name}.set.undo`)),
    ),
  );

  const draft = () => (fields ? JSON.stringify(fields.read(), null, 1) : text.value);

  async function read() {
    put(said);
    try {
      held = await get(path, {}, signal);
      put(shown, [el("p", {}, mark("good", origin(name, held))), described(held)].flat());
      text.value = held.toml ?? "";
      if (form) showForm(held);
      else showText();
    } catch (fault) {
      put(shown, app.explain(fault) ?? []);
      if (fault.status !== 501) return;
      editor.remove();
      absent?.();
    }
  }

  function showForm(document) {
    fields = form(document);
    put(box, fields.node);
    put(turn, t("document.as_text"));
  }

  function showText() {
    fields = null;
    put(box, field(t(`${name}.toml`), text));
    put(turn, t("document.as_form"));
  }

  /** Fields instead of text, or text instead of fields; what is at fault stays as it is. */
  async function turned() {
    const checked = await check();
    if (!checked) return;
    text.value = checked.toml;
    if (fields) showText();
    else showForm(checked);
  }

  /** What the gateway makes of the draft; null where it is at fault, which is told. */
  async function check() {
    put(said);
    try {
      return await post(`${path}/check`, draft());
    } catch (fault) {
      if (!(fault instanceof Problem)) throw fault;
      put(said, refusal(fault));
      fields?.wrong(fault.body?.faults ?? []);
      return null;
    }
  }

  async function set() {
    const checked = await check();
    if (!checked) return;
    const changes = difference(held.toml, checked.toml);
    if (!changes && held.version !== null) {
      put(said, el("p", {}, mark("none", t("document.same"))));
      return;
    }
    await dialog(
      t(`${name}.set.ask`),
      [el("p", {}, t(`${name}.set.why`)), changes],
      t(`${name}.set.do`),
      async () => {
        await putJson(path, checked.toml);
        app.toast("good", t(`${name}.set.done`));
        await read();
      },
    );
  }

  read();
  return { current, editor, draft };
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
