// The login form, shown in place of every view until somebody is in.

import { post } from "./api.js";
import { refusal } from "./dialog.js";
import { el, field, put } from "./dom.js";
import { t } from "./i18n.js";

export function show(place, app) {
  const command = app.session.first_login;
  if (command) {
    place.append(el("p", { class: "panel narrow" }, t("login.first", { command })));
    return;
  }
  const user = el("input", { name: "user", autocomplete: "username", required: true });
  const password = el("input", {
    name: "password",
    type: "password",
    autocomplete: "current-password",
    required: true,
  });
  const said = el("div", { "aria-live": "assertive" });
  const form = el(
    "form",
    {
      class: "panel narrow",
      async onsubmit(submit) {
        submit.preventDefault();
        put(said);
        try {
          await post("/api/login", { user: user.value, password: password.value });
          await app.enter();
        } catch (fault) {
          password.value = "";
          const refused = el("p", { class: "fault" }, t("login.refused"));
          put(said, fault.status === 401 ? refused : refusal(fault));
          password.focus();
        }
      },
    },
    field(t("login.user"), user),
    field(t("login.password"), password),
    said,
    el("button", { class: "main" }, t("login.enter")),
  );
  place.append(form);
  user.focus();
}
