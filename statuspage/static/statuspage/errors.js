/* Report errors of our scripts to our log: few, short, and without input of the visitor. The server masks them. */
import { traced } from "./trace.js";

const ADDRESS = "/api/browser_errors";
const MOST = 5; // of one page view
const LONGEST = { message: 500, source: 300, stack: 2000 }; // as observability/browser_errors.py takes them
const LONGEST_PAGE = 300;
const told = new Set();

/** Send a report: kind, message and place. Only the first few are sent, each once. */
export function report(facts) {
  const words = { ...facts };
  for (const [name, longest] of Object.entries(LONGEST)) words[name] = cut(words[name] ?? "", longest);
  words.message ||= "(nothing)";
  const body = JSON.stringify({ ...words, page: cut(location.pathname, LONGEST_PAGE) });
  if (told.size >= MOST || told.has(body)) return;
  told.add(body);
  const headers = { "Content-Type": "application/json", ...traced() };
  // A report that can't be sent is lost: reporting that as well would never end.
  fetch(ADDRESS, { method: "POST", body, headers, keepalive: true, credentials: "omit" }).catch(() => {});
}

/** Shorten a text; half a character at its end would make it invalid for the server. */
function cut(text, longest) {
  return String(text).slice(0, longest).replace(/\p{Surrogate}/gu, "\ufffd");
}

/** Return whether an error passed through a script of this site, and not only through browser extensions. */
function isOurs(...places) {
  return places.some((place) => place?.includes(`${location.origin}/`));
}

function stackOf(error) {
  return typeof error?.stack === "string" ? error.stack : "";
}

addEventListener("error", ({ message, filename, lineno, colno, error }) => {
  const stack = stackOf(error);
  if (isOurs(filename, stack)) report({ kind: "error", message, source: filename, line: lineno, column: colno, stack });
});

addEventListener("unhandledrejection", ({ reason }) => {
  const stack = stackOf(reason);
  if (!stack || isOurs(stack)) report({ kind: "rejection", message: reason?.message ?? reason, stack });
});
