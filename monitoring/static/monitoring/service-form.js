/* The form of a service: propose what follows from the URL, show the settings of the chosen kind, report a mistake when
   a field is left, and try the check before it is saved. Without script, all fields are there and the server judges. */
import { traced } from "../statuspage/trace.js";

const form = document.querySelector("#service_form");
const part = document.querySelector("#try");
const field = (name) => document.querySelector(`#id_${name}`);
const [kind, url, name, id] = ["kind", "endpoint_url", "name", "id"].map(field);
const facts = JSON.parse(document.querySelector("#service-form-facts")?.textContent ?? "{}");

// --- The settings of the chosen kind ---
function follow() {
  for (const each of document.querySelectorAll("[class*='check-of-']")) {
    each.hidden = !each.classList.contains(`check-of-${kind.value}`);
  }
  const hint = facts.hints?.[kind.value];
  if (!hint) return;
  const isPassive = facts.passive.includes(kind.value);
  url.placeholder = isPassive ? "" : hint.split(" ").pop();
  url.disabled = isPassive; // a disabled field isn't submitted, and comes back with its text
  part.hidden = isPassive;
  const help = url.closest(".grow").querySelector(".leading-relaxed");
  if (help) help.textContent = hint;
}

// --- What follows from the URL ---
const proposed = new Map();

function propose(input, value) {
  if (!input || (input.value && input.value !== proposed.get(input))) return; // somebody has written another
  input.value = value;
  proposed.set(input, value);
}

function guess() {
  const [, scheme, host] = /^(?:([a-z]+):\/\/)?([^/?#\s:]+)/i.exec(url.value.trim()) ?? [];
  if (!host) return;
  const guessed = facts.kinds[scheme?.toLowerCase()];
  if (guessed && guessed !== kind.value && (!kind.value || facts.kinds[schemeBefore] === kind.value || isNew)) {
    kind.value = guessed;
    follow();
  }
  schemeBefore = scheme?.toLowerCase();
  if (!isNew) return;
  propose(name, host.toLowerCase());
  propose(id, host.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, ""));
}

function complete() {
  // A bare host or address gets the scheme of its kind.
  const text = url.value.trim();
  const scheme = Object.keys(facts.kinds).find((each) => facts.kinds[each] === kind.value && each !== "http");
  if (text && scheme && !text.includes("://")) url.value = `${scheme}://${text}`;
}

// --- Requests ---
async function send(address) {
  const answer = await fetch(address, { method: "POST", body: new FormData(form), headers: traced(), redirect: "manual" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer;
}

// --- Mistakes, when a field is left ---
const left = new Set();

function report(problems) {
  for (const key of left) {
    const input = field(key) ?? form.querySelector(`[name="${key}"], [name^="${key}__"]`);
    if (!input) continue;
    const words = problems[key] ?? [];
    const listId = `problems-${key}`;
    let list = document.getElementById(listId);
    if (!list && words.length) {
      list = Object.assign(document.createElement("ul"), { id: listId, className: "admin-error admin-small field-problems" });
      input.closest(".grow")?.append(list);
      input.setAttribute("aria-describedby", `${input.getAttribute("aria-describedby") ?? ""} ${listId}`.trim());
    }
    list?.replaceChildren(...words.map((each) => Object.assign(document.createElement("li"), { textContent: each })));
    input.setAttribute("aria-invalid", String(words.length > 0));
  }
}

let asked = 0;
async function judge(event) {
  const key = event.target.name?.split("__")[1] ? event.target.name.split("__").slice(0, 2).join("__") : event.target.name;
  if (!key || key.startsWith("_")) return;
  left.add(key);
  const mine = ++asked;
  try {
    const problems = await (await send(part.dataset.problems)).json();
    if (mine === asked) report(problems);
  } catch {
    // Saving reports the mistakes, too.
  }
}

// --- Try it now ---
async function attempt(event) {
  const button = event.currentTarget;
  const said = part.querySelector("[aria-live]");
  button.disabled = true;
  said.textContent = part.dataset.running;
  try {
    const text = await (await send(part.dataset.try)).text();
    said.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
  } catch {
    said.textContent = part.dataset.failed;
  }
  button.disabled = false;
}

/** Remove the result of a check that the form no longer describes. */
function forget(event) {
  if (![name, id].includes(event.target)) part.querySelector("[aria-live]").replaceChildren();
}

const isNew = Boolean(id?.matches("input"));
let schemeBefore = url?.value.split("://")[0];
if (kind) {
  kind.addEventListener("change", follow);
  follow();
}
if (form && part && url) {
  url.addEventListener("input", guess);
  url.addEventListener("change", complete);
  form.addEventListener("change", judge);
  form.addEventListener("input", forget);
  const button = part.querySelector("button");
  button.hidden = false;
  button.addEventListener("click", attempt);
}
