/* The form of an update: fill it in from a template without losing what was typed, and show its preview. Without
   script, the preview opens on a page of its own. */
import { traced } from "../statuspage/trace.js";

const part = document.querySelector("[data-update]");
const form = part?.closest("form");
const filled = new Map(); // what the last template wrote, by field

async function send(address, extra = {}) {
  const body = new FormData(form);
  for (const [name, value] of Object.entries(extra)) body.set(name, value);
  const answer = await fetch(address, { method: "POST", body, headers: traced(), redirect: "error" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer;
}

// --- Templates ---
function write(input, text) {
  const typed = input.value === filled.get(input) ? "" : input.value.trim();
  input.value = typed && text ? `${typed}\n\n${text}` : typed || text;
  if (!typed) filled.set(input, input.value);
  input.dispatchEvent(new Event("input", { bubbles: true }));
  return Boolean(typed && text);
}

async function start(event) {
  const said = part.querySelector("[data-said]");
  const template = event.target.value;
  if (!template) return;
  event.target.disabled = true;
  try {
    const { status, ...texts } = await (await send(part.dataset.template, { template })).json();
    const inputs = Object.entries(texts).map(([name, text]) => [part.querySelector(`[name$="${name}"]`), text]);
    const kept = inputs.map(([input, text]) => write(input, text)).some(Boolean);
    if (status) part.querySelector("select[name$='status']").value = status;
    said.textContent = kept ? part.dataset.kept : part.dataset.filled;
    if (isShown) await show();
  } catch {
    said.textContent = part.dataset.failed;
  }
  event.target.disabled = false;
}

// --- Preview ---
let isShown = false;
let asked = 0;

async function show() {
  const place = part.querySelector("[data-shown]");
  const mine = ++asked;
  try {
    const text = await (await send(part.dataset.preview)).text();
    if (mine !== asked) return; // a later answer is on its way
    place.replaceChildren(new DOMParser().parseFromString(text, "text/html").querySelector("#preview"));
    isShown = true;
  } catch {
    place.textContent = part.dataset.failed;
  }
}

if (form) {
  for (const each of part.querySelectorAll("[data-needs-script]")) each.hidden = false;
  part.querySelector("#id_template")?.addEventListener("change", start);
  part.querySelector("[data-button]").addEventListener("click", (event) => {
    event.preventDefault();
    show();
  });
  form.addEventListener("change", (event) => {
    if (isShown && event.target.id !== "id_template") show();
  });
}
