/* Keep the first part of the overview up to date: fetch it regularly, except while somebody uses it or has paused it. */
import { traced } from "../statuspage/trace.js";

const EVERY_MS = 10_000;
const PATIENCE_MS = 9_000;
const USED_FOR_MS = 10_000; // after the last movement, touch or key

const part = document.getElementById("now");
const line = document.getElementById("refresh");
const [says, button] = line.children;
let isPaused = false;
let usedAt = -Infinity;

/** Return whether a replacement would disturb somebody: who moves in this part, has opened or selected something. */
function isInUse() {
  const selected = getSelection();
  return (
    performance.now() - usedAt < USED_FOR_MS ||
    part.contains(document.activeElement) ||
    part.querySelector("details[open]") !== null ||
    (!selected.isCollapsed && part.contains(selected.anchorNode))
  );
}

function say(what) {
  if (says.textContent !== what) says.textContent = what;
}

async function refresh() {
  if (isPaused) return;
  if (isInUse()) return say(line.dataset.used);
  try {
    const signal = AbortSignal.timeout?.(PATIENCE_MS);
    const answer = await fetch(line.dataset.now, { cache: "no-store", headers: traced(), redirect: "manual", signal });
    if (answer.type === "opaqueredirect") return location.reload(); // the session has ended
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    exchange(await answer.text());
    if (!isPaused) say(line.dataset.on);
  } catch {
    say(line.dataset.failed);
  }
}

function exchange(text) {
  if (isPaused || isInUse()) return;
  const before = headline();
  part.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
  if (headline() !== before) document.getElementById("announcer").textContent = headline();
}

function headline() {
  return document.getElementById("headline").textContent;
}

function show() {
  say(isPaused ? line.dataset.off : line.dataset.on);
  button.textContent = isPaused ? button.dataset.resume : button.dataset.pause;
}

async function keepFresh() {
  if (!document.hidden) await refresh();
  setTimeout(keepFresh, EVERY_MS);
}

for (const kind of ["pointermove", "pointerdown", "keydown"]) {
  part.addEventListener(kind, () => (usedAt = performance.now()), { passive: true });
}
button.addEventListener("click", () => {
  isPaused = !isPaused;
  show();
  if (!isPaused) refresh();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});
show();
line.hidden = false;
setTimeout(keepFresh, EVERY_MS);
