// Show the settings of the kind of check that is chosen; without script all of them are there, each under its heading.
const kind = document.querySelector("#id_kind");
const all = document.querySelectorAll("[class*='check-of-']");

function follow() {
  for (const part of all) part.hidden = !part.classList.contains(`check-of-${kind.value}`);
}

if (kind) {
  kind.addEventListener("change", follow);
  follow();
}
