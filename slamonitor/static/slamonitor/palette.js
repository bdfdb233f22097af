/* The palette: Ctrl-K (or ⌘K) opens a box that finds pages, actions, services and incidents. The server finds and renders
   them. Single keys report an incident, write an update, search and list the keys; people can turn them off. */
import { traced } from "../statuspage/trace.js";

const PAUSE_MS = 120; // in typing, before a search

const palette = document.getElementById("palette");
const term = document.getElementById("palette-term");
const found = document.getElementById("palette-found");
const says = document.getElementById("palette-says");
const opener = document.getElementById("palette-button");
let search = new AbortController();
let timer;

function open() {
  term.value = "";
  palette.showModal();
  find();
}

async function find() {
  search.abort();
  search = new AbortController();
  try {
    const url = `${palette.dataset.url}?${new URLSearchParams({ term: term.value })}`;
    const answer = await fetch(url, { headers: traced(), redirect: "manual", signal: search.signal });
    if (answer.type === "opaqueredirect") return location.reload(); // the session has ended
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    show(new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild);
  } catch (error) {
    if (error.name !== "AbortError") says.textContent = says.dataset.failed;
  }
}

function show(part) {
  found.replaceChildren(...part.childNodes);
  says.textContent = part.dataset.says;
  choose(found.querySelector("[role=option]"));
}

function choose(option) {
  chosen()?.setAttribute("aria-selected", "false");
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) term.setAttribute("aria-activedescendant", option.id);
  else term.removeAttribute("aria-activedescendant");
}

function chosen() {
  return found.querySelector("[aria-selected=true]");
}

function step(by) {
  const options = [...found.querySelectorAll("[role=option]")];
  const at = options.indexOf(chosen()) + by;
  choose(options[(at + options.length) % options.length]);
}

const KEYS = { ArrowDown: () => step(1), ArrowUp: () => step(-1), Enter: () => chosen()?.click() };

term.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(find, PAUSE_MS);
});
term.addEventListener("keydown", (event) => {
  // Keys that end a syllable of Hangul are not meant for the list.
  if (event.isComposing || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});
found.addEventListener("pointermove", (event) => {
  const option = event.target.closest("[role=option]");
  if (option && option !== chosen()) choose(option);
});
palette.addEventListener("click", (event) => event.target === palette && palette.close()); // its backdrop
document.getElementById("palette-close").addEventListener("click", () => palette.close());

const TYPES = "input, textarea, select, [contenteditable], [role=combobox], [role=textbox], dialog[open]";
const OFF = "slamonitor.keys"; // in the storage of the browser
const keys = document.getElementById("keys");
const areOn = document.getElementById("keys-on");
const SINGLE = { n: report, ㅜ: report, u: update, ㅕ: update, "/": open, "?": () => keys.showModal() };

function report() {
  if (palette.dataset.report) location.assign(palette.dataset.report);
}

/** Go to the field for an update: of this incident, or on the overview of the first open one. */
function update() {
  const field = document.querySelector("textarea[name^='updates-'][name$='-message']");
  const first = document.querySelector("#now [data-incident]");
  if (field) field.focus();
  else if (first) location.assign(`${first.href}#update`);
}

function isSingle(event) {
  return event.key in SINGLE && !event.isComposing && !event.target.closest(TYPES) && areOn.checked;
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey) return;
  if (!(event.ctrlKey || event.metaKey)) {
    if (!isSingle(event)) return;
    event.preventDefault(); // or the key is typed into the field that it leads to
    return SINGLE[event.key]();
  }
  // The same key types ㅏ when the keyboard is Korean.
  if (event.shiftKey || !["k", "ㅏ"].includes(event.key)) return;
  event.preventDefault();
  if (palette.open) palette.close();
  else open();
});
opener.addEventListener("click", open);
opener.hidden = false;
document.getElementById("palette-keys").addEventListener("click", () => {
  palette.close();
  keys.showModal();
});
keys.addEventListener("click", (event) => event.target === keys && keys.close());
areOn.checked = localStorage.getItem(OFF) !== "off";
areOn.addEventListener("change", () => localStorage.setItem(OFF, areOn.checked ? "on" : "off"));
if (location.hash === "#update") update();
