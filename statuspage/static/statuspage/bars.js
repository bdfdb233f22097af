/* Explain a bar on hover, on tap, and with the arrow keys. Without a script, the titles of the bars do. */
const PITCH = 8;
const UNITS = 718;
const titles = new WeakMap(); // strip -> the words of its bars, taken out so that the browser shows no second tip
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);
const places = new Map(); // id of a strip -> where its walker stands; the strip itself is exchanged now and then
let walked = null;

function words(strip) {
  if (!titles.has(strip)) {
    const nodes = [...strip.querySelectorAll("title")];
    titles.set(strip, nodes.map((node) => node.textContent));
    for (const node of nodes) node.remove();
  }
  return titles.get(strip);
}

function show(strip, index) {
  const text = words(strip)[index];
  if (text === undefined) return hide();
  mark(strip.children[index]);
  tip.textContent = text;
  tip.hidden = false;
  place(strip, index);
}

function place(strip, index) {
  const box = strip.getBoundingClientRect();
  const middle = box.left + ((index * PITCH + 3) / UNITS) * box.width;
  const left = Math.min(Math.max(8, middle - tip.offsetWidth / 2), document.documentElement.clientWidth - tip.offsetWidth - 8);
  const above = box.top - tip.offsetHeight - 8;
  tip.style.left = `${left + scrollX}px`;
  tip.style.top = `${(above < 0 ? box.bottom + 8 : above) + scrollY}px`;
}

function mark(bar) {
  walked?.classList.remove("is-walked");
  walked = bar;
  walked?.classList.add("is-walked");
}

function hide() {
  tip.hidden = true;
  mark(null);
}

function indexAt(strip, x) {
  const box = strip.getBoundingClientRect();
  return Math.min(Math.floor((((x - box.left) / box.width) * UNITS) / PITCH), strip.children.length - 1);
}

/** Return the first bar that is not cut off; a phone shows the newest ones only. */
function firstSeen(strip) {
  const hidden = strip.parentElement.getBoundingClientRect().left - strip.getBoundingClientRect().left;
  return Math.round(((hidden / strip.getBoundingClientRect().width) * UNITS) / PITCH);
}

/** Move to a bar, and let a screen reader announce it. */
function walk(strip, index) {
  const last = strip.children.length - 1;
  const to = Math.min(Math.max(index, firstSeen(strip)), last);
  places.set(strip.id, to - last);
  strip.setAttribute("aria-valuenow", to - last);
  strip.setAttribute("aria-valuetext", words(strip)[to].replaceAll("\n", ", "));
  show(strip, to);
}

function standing(strip) {
  return strip.children.length - 1 + (places.get(strip.id) ?? 0);
}

/** Make a strip accessible by keyboard; a replaced one keeps its position. */
function prepare(strip) {
  strip.setAttribute("tabindex", "0");
  strip.setAttribute("role", "slider");
  strip.setAttribute("aria-valuemin", 1 - strip.children.length);
  strip.setAttribute("aria-valuemax", "0");
  strip.setAttribute("aria-valuenow", places.get(strip.id) ?? 0);
  strip.setAttribute("aria-valuetext", strip.children[standing(strip)].textContent.replaceAll("\n", ", "));
}

function prepareAll() {
  for (const strip of document.querySelectorAll(".bars:not([tabindex])")) prepare(strip);
}

const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -7, PageUp: 7, Home: -1000, End: 1000 };

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return hide();
  const strip = event.target.closest?.(".bars");
  if (!strip || !(event.key in KEYS)) return;
  event.preventDefault();
  walk(strip, standing(strip) + KEYS[event.key]);
});

document.addEventListener("focusin", (event) => {
  const strip = event.target.closest?.(".bars");
  if (strip?.matches(":focus-visible")) walk(strip, standing(strip));
});

document.addEventListener("focusout", hide);

for (const kind of ["pointermove", "pointerdown"]) {
  document.addEventListener(kind, (event) => {
    const strip = event.target.closest?.(".bars");
    if (strip) show(strip, indexAt(strip, event.clientX));
    else if (!tip.hidden && !document.activeElement.matches(".bars:focus-visible")) hide();
  });
}

prepareAll();
new MutationObserver(prepareAll).observe(document.getElementById("content"), { childList: true });
