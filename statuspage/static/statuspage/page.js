/* Keep an open page up to date: fetch it regularly and replace the parts marked data-live. */
import { localize, serverTimeIs, tick } from "./times.js";
import { traced } from "./trace.js";
import * as trouble from "./trouble.js";

const EVERY_MS = 5000;
const SPREAD_MS = 3000; // visitors that came together do not come back together
const PATIENCE_MS = 10_000;
const announcer = document.getElementById("announcer");
let shown = null;

async function refresh() {
  const text = await fetched();
  if (text !== null && text !== shown && !isInUse()) {
    exchange(new DOMParser().parseFromString(text, "text/html"));
    shown = text;
  }
}

/** Return the current page, or null if it can't be fetched. */
async function fetched() {
  try {
    const headers = { Accept: "text/html", ...traced() };
    const signal = AbortSignal.timeout?.(PATIENCE_MS);
    const answer = await fetch(location.pathname, { cache: "no-cache", headers, signal });
    const date = Date.parse(answer.headers.get("Date"));
    if (date) serverTimeIs(date);
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const text = await answer.text();
    trouble.over();
    return text;
  } catch (error) {
    if (trouble.failed(error)) announcer.textContent = trouble.words();
    return null;
  }
}

function exchange(fresh) {
  const before = headline();
  const focused = document.activeElement?.id;
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (other) part.replaceWith(document.adoptNode(other));
  }
  document.title = fresh.title;
  document.querySelector("link[rel=icon]").href = fresh.querySelector("link[rel=icon]").getAttribute("href");
  if (headline() !== before) announcer.textContent = headline();
  // Later, so that other modules have prepared the new parts.
  if (focused) queueMicrotask(() => document.getElementById(focused)?.focus({ preventScroll: true }));
  localize();
  tick();
}

/** Return whether the visitor has selected text or focused an element that would be lost in the replacement. */
function isInUse() {
  const focused = document.activeElement;
  return !getSelection().isCollapsed || (focused?.closest("[data-live]") && !focused.id);
}

function headline() {
  return document.getElementById("headline").textContent;
}

async function keepFresh() {
  try {
    if (!document.hidden) await refresh();
  } finally {
    // The error is in our log, and the next edition may be correct.
    setTimeout(keepFresh, EVERY_MS + Math.random() * SPREAD_MS);
  }
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});

serverTimeIs(Math.max(Date.now(), Date.parse(document.getElementById("updated").dateTime)));
localize();
tick();
setInterval(() => tick(), 1000);
setTimeout(keepFresh, EVERY_MS);
