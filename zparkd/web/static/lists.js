// A list of the site, as passes and staff are: found in, one entry added, changed or taken away, or
// a file taken in. It is set as a whole; what that would change is shown before it is asked for.

import { getTagged, Problem, putJson } from "./api.js";
import { dialog, refusal } from "./dialog.js";
import { choice, el, field, put } from "./dom.js";
import { number, t } from "./i18n.js";
import { mark } from "./marks.js";
import { parsed } from "./sheet.js";
import { table } from "./table.js";

const SHOWN = 50;
const NAMED = 8; // entries that a question names of each kind of change

/**
 * `kind`: {name, fields (in the order of a file), key(row), words(row), columns, form(row)}, where
 * `form` has the `fields` of a question and `read` says what was written into them.
 */
export function listView(place, app, signal, kind) {
  const path = `/api/${kind.name}`;
  const held = { rows: [], tag: null };
  const input = el("input", { type: "search", name: "find", maxlength: 64, oninput: draw });
  const list = el("div", { "aria-live": "polite" }, el("p", { class: "quiet" }, t("loading")));
  const said = el("div", { "aria-live": "assertive" });
  const admin = app.may("admin");
  const add = el(
    "button",
    { type: "button", class: "main", "data-act": "add", onclick: () => edit(null) },
    t("list.add"),
  );
  place.append(
    el("p", { class: "lead" }, t(`${kind.name}.lead`)),
    el(
      "div",
      { class: "filters" },
      field(t("list.find"), input),
      admin ? el("div", { class: "actions" }, add) : null,
    ),
    said,
    el("section", {}, list),
    ...(admin ? [importSection()] : []),
  );

  async function read() {
    try {
      const { body, tag } = await getTagged(path, signal);
      held.rows = body[kind.name];
      held.tag = tag;
      draw();
    } catch (fault) {
      put(list, app.explain(fault) ?? []);
    }
  }

  function draw() {
    const wanted = folded(input.value);
    const found = held.rows.filter((row) =>
      kind.fields.some((name) => folded(row[name] ?? "").includes(wanted)),
    );
    const columns = [...kind.columns];
    if (admin) columns.push({ head: t("peers.actions"), wide: true, cell: acts });
    const caption = t("list.caption", {
      shown: number(Math.min(found.length, SHOWN)),
      total: number(held.rows.length),
    });
    put(list, table(caption, columns, found.slice(0, SHOWN), t(`${kind.name}.none`)));
  }

  function acts(row) {
    return el(
      "div",
      { class: "actions" },
      act("edit", row, () => edit(row)),
      act("remove", row, () => remove(row)),
    );
  }

  function act(name, row, onclick) {
    const label = t(`list.${name}.label`, { entry: kind.words(row) });
    const attributes = { type: "button", "data-act": name, "aria-label": label, onclick };
    return el("button", attributes, t(`list.${name}`));
  }

  function edit(row) {
    const form = kind.form(row);
    const title = row ? t("list.edit.label", { entry: kind.words(row) }) : t(`${kind.name}.add`);
    return dialog(title, form.fields, t("list.save"), async () => {
      const fresh = form.read();
      const others = held.rows.filter((one) => one !== row);
      if (others.some((one) => kind.key(one) === kind.key(fresh))) throw twice(fresh);
      await save([...others, fresh]);
    });
  }

  const twice = (row) =>
    new Problem(409, "exists", t("list.twice", { entry: kind.words(row) }), null);

  function remove(row) {
    return dialog(
      t("list.remove.label", { entry: kind.words(row) }),
      [el("p", {}, t(`${kind.name}.remove.why`))],
      t("list.remove"),
      () => save(held.rows.filter((one) => one !== row)),
      "danger",
    );
  }

  /** Set the whole list. Throws the Problem that says why not. */
  async function save(rows) {
    const plain = (row) => Object.fromEntries(kind.fields.map((name) => [name, row[name]]));
    const done = await putJson(path, { [kind.name]: rows.map(plain) }, held.tag);
    await read();
    const { added, changed, removed, outranked } = done;
    app.toast("good", t("list.saved", { added, changed, removed }));
    put(
      said,
      outranked.map((line) => el("p", { class: "fault", lang: "en" }, line)),
    );
  }

  function importSection() {
    const file = el("input", { type: "file", name: "file", accept: ".csv,.json", required: true });
    const how = choice({ name: "how" }, [
      ["more", t("list.import.more")],
      ["instead", t("list.import.instead")],
    ]);
    const wrong = el("div", { "aria-live": "assertive" });
    async function take(submit) {
      submit.preventDefault();
      put(wrong);
      try {
        await ask(parsed(await file.files[0].text(), kind.fields), how.value);
      } catch (fault) {
        put(wrong, refusal({ code: "bad_document", message: fault.message }));
      }
    }
    return el(
      "section",
      {},
      el("h2", {}, t("list.import")),
      el("p", { class: "lead" }, t("list.import.lead", { fields: kind.fields.join(", ") })),
      el(
        "form",
        { class: "filters", onsubmit: take },
        field(t("list.import.file"), file),
        field(t("list.import.how"), how),
        el("div", { class: "actions" }, el("button", {}, t("list.import.look"))),
        wrong,
      ),
    );
  }

  /** What a file would change, as a question. */
  function ask(rows, how) {
    const before = new Map(held.rows.map((row) => [kind.key(row), row]));
    const after = new Map(how === "more" ? before : []);
    for (const row of rows) after.set(kind.key(row), row);
    const all = [...after.values()];
    const changes = {
      added: all.filter((row) => !before.has(kind.key(row))),
      changed: all.filter((row) => before.has(kind.key(row)) && differs(row, before)),
      removed: held.rows.filter((row) => !after.has(kind.key(row))),
    };
    const some = Object.values(changes).some((part) => part.length);
    const told = Object.entries(changes).flatMap(([name, part]) => difference(name, part));
    const none = el("p", {}, mark("none", t("list.import.same")));
    return dialog(t("list.import.ask"), some ? told : [none], t("list.import.do"), () => save(all));
  }

  const differs = (row, before) =>
    kind.fields.some((name) => (row[name] ?? null) !== (before.get(kind.key(row))[name] ?? null));

  function difference(name, part) {
    if (part.length === 0) return [];
    const more = part.length - NAMED;
    return [
      el("h3", {}, t(`list.import.${name}`, { count: number(part.length) })),
      el(
        "ul",
        { class: `difference ${name}` },
        part.slice(0, NAMED).map((row) => el("li", {}, kind.words(row))),
        more > 0
          ? el("li", { class: "quiet" }, t("list.import.more_of", { count: number(more) }))
          : null,
      ),
    ];
  }

  read();
  return {};
}

/** As people write it: without capitals, spaces, dots and hyphens. */
const folded = (text) => String(text).toLowerCase().replaceAll(/[\s.-]/g, "");
