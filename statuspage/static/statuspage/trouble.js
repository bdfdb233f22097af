/* Show a notice if an open page can't be refreshed, with the id to quote, and report it to our log afterwards. */
import { report } from "./errors.js";
import { showTrouble } from "./trace.js";

const TOLD_AFTER = 2; // failures in a row: a single one is no news, for the age of the figures goes on ticking
const notice = document.getElementById("trouble");
let failures = 0;
let beganAt = 0;
let last = "";

/** Record a failed refresh. Returns whether the notice must be announced now. */
export function failed(error) {
  if (failures === 0) beganAt = Date.now();
  failures += 1;
  last = String(error);
  if (failures !== TOLD_AFTER) return false;
  showTrouble();
  return true;
}

/** Record a successful refresh. An earlier notice is reported to the log, where support will look for its id. */
export function over() {
  if (failures >= TOLD_AFTER) {
    const seconds = Math.round((Date.now() - beganAt) / 1000);
    report({ kind: "fetch", message: `${failures} refreshes failed in ${seconds} s, the last: ${last}` });
  }
  failures = 0;
  notice.hidden = true;
}

/** Return the text of the notice. */
export function words() {
  return notice.textContent;
}
