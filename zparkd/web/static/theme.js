// Light or dark: as the machine says, unless this browser was told otherwise.
// A plain script in the head, so that the page is never drawn in the wrong colours first.
(() => {
  const machine = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = "auto";
  try {
    chosen = localStorage.getItem("zparkd.theme") ?? "auto";
  } catch {
    // storage is forbidden here: as the machine says
  }

  function apply() {
    const dark = chosen === "dark" || (chosen !== "light" && machine.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  }

  machine.addEventListener("change", apply);
  apply();
  window.zparkdTheme = {
    get: () => chosen,
    set(theme) {
      chosen = theme;
      try {
        localStorage.setItem("zparkd.theme", theme);
      } catch {
        // not remembered, and applied all the same
      }
      apply();
    },
  };
})();
