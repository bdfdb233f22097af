/* The palette: Ctrl-K (or ⌘K) opens a box that finds pages, actions and services. The server finds and renders them. */
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
addEventListener("keydown", (event) => {
  // The same key types ㅏ when the keyboard is Korean.
  if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey || !["k", "ㅏ"].includes(event.key)) return;
  event.preventDefault();
  if (palette.open) palette.close();
  else open();
});
opener.addEventListener("click", open);
opener.hidden = false;
