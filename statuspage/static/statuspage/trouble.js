/* Say it when an open page cannot be brought up to date, with the number to quote, and tell our log once it can again. */
import { report } from "./errors.js";
import { showTrouble } from "./trace.js";

const TOLD_AFTER = 2; // failures in a row: a single one is no news, for the age of the figures goes on ticking
const notice = document.getElementById("trouble");
let failures = 0;
let beganAt = 0;
let last = "";

/** Note that a refresh failed. Returns whether that is to be said aloud now. */
export function failed(error) {
  if (failures === 0) beganAt = Date.now();
  failures += 1;
  last = String(error);
  if (failures !== TOLD_AFTER) return false;
  showTrouble();
  return true;
}

/** Note that a refresh succeeded. What was said before goes to the log, where whoever is asked will look for it. */
export function over() {
  if (failures >= TOLD_AFTER) {
    const seconds = Math.round((Date.now() - beganAt) / 1000);
    report({ kind: "fetch", message: `${failures} refreshes failed in ${seconds} s, the last: ${last}` });
  }
  failures = 0;
  notice.hidden = true;
}

/** Return what the notice says. */
export function words() {
  return notice.textContent;
}
