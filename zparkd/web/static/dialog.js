// Questions in front of everything else, and what is said where the answer is no. A refusal is told
// in the question, which stays, so that nothing that was written is lost.

import { Problem } from "./api.js";
import { el, freshId, put } from "./dom.js";
import { has, t } from "./i18n.js";
import { mark } from "./marks.js";
import { clearToast } from "./toast.js";

/** Run what saves; a refusal is put into `said`. True where it was saved. */
export async function tried(save, said) {
  put(said);
  clearToast();
  try {
    await save();
    return true;
  } catch (fault) {
    if (!(fault instanceof Problem)) throw fault;
    put(said, refusal(fault));
    return false;
  }
}

/** Why not: in the reader's language, then each fault that the gateway names, numbered. */
export function refusal(fault, box = "fault") {
  const kind = box === "fault" ? "bad" : "none";
  const known = has(`fault.${fault.code}`);
  const lines = fault.status === 0 ? [] : fault.message.split("\n").filter(Boolean);
  const told = lines.map((line) => el(lines.length > 1 ? "li" : "p", { lang: "en" }, line));
  return el(
    "div",
    { class: box, role: "alert" },
    el("p", {}, mark(kind, t(known ? `fault.${fault.code}` : "fault.other"))),
    lines.length > 1 ? el("ol", {}, told) : told,
  );
}

/** A question that is asked in front of everything else; resolves when it is closed. */
export function dialog(title, content, yes, act, kind = "main") {
  const said = el("div", { "aria-live": "assertive" });
  const titleId = freshId("dialog");
  return new Promise((resolve) => {
    const go = el("button", { class: kind }, yes);
    const box = el(
      "dialog",
      { "aria-labelledby": titleId, onclose: () => (box.remove(), resolve()) },
      el(
        "form",
        {
          async onsubmit(submit) {
            submit.preventDefault();
            go.disabled = true;
            const done = await tried(act, said);
            go.disabled = false;
            if (done) box.close();
          },
        },
        el("h2", { id: titleId }, title),
        content,
        said,
        el(
          "div",
          { class: "actions" },
          go,
          el("button", { type: "button", onclick: () => box.close() }, t("cancel")),
        ),
      ),
    );
    document.body.append(box);
    box.showModal();
  });
}
