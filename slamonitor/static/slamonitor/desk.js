/* What the desk asks for without leaving a page (the theme does, for its search and its fields with suggestions) carries
   the trace of the page; where it fails, a sentence says so with the number to quote. Errors of scripts go to our log. */
import "../statuspage/errors.js";
import { showTrouble, traced } from "../statuspage/trace.js";

// The theme's two libraries have nothing in common but this.
const send = XMLHttpRequest.prototype.send;
XMLHttpRequest.prototype.send = function (body) {
  for (const [name, value] of Object.entries(traced())) this.setRequestHeader(name, value);
  this.addEventListener("load", () => this.status >= 400 && showTrouble());
  this.addEventListener("error", showTrouble);
  this.addEventListener("timeout", showTrouble);
  return send.call(this, body);
};
