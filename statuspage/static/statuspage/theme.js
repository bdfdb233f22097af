/* Light or dark, as the visitor chose. Runs before the page is painted, to avoid a flash. */
(() => {
  const root = document.documentElement;
  const order = ["auto", "light", "dark"];

  function stored() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage may be forbidden; then the device decides
    }
  }

  function apply(theme) {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  }

  function keep(theme) {
    try {
      if (theme === "auto") localStorage.removeItem("theme");
      else localStorage.setItem("theme", theme);
    } catch {
      // the choice then lasts as long as the page
    }
  }

  function name(button) {
    const label = button.dataset[root.dataset.theme ?? "auto"];
    button.setAttribute("aria-label", label);
    button.title = label;
  }

  apply(stored());

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    button.hidden = false;
    name(button);
    button.addEventListener("click", () => {
      const next = order[(order.indexOf(root.dataset.theme ?? "auto") + 1) % order.length];
      apply(next);
      keep(next);
      name(button);
    });
  });
})();
