/* The trace of this page view. Its requests carry the id, and so do its errors and our log lines about both. */
const hex = (bytes) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export const TRACE_ID = hex(16);

/** Return the headers by which a request belongs to this page view (W3C Trace Context); each is a span of its own. */
export function traced() {
  return { traceparent: `00-${TRACE_ID}-${hex(8)}-01`, "X-Trace-Id": TRACE_ID };
}

/** Show the page's notice of a failure, with the id for people to quote. */
export function showTrouble() {
  const notice = document.getElementById("trouble");
  notice.querySelector("code").textContent = TRACE_ID;
  notice.hidden = false;
}
