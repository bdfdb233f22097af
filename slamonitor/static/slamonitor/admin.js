/* Requests that the admin sends without leaving a page (for the theme's search and autocomplete fields) carry the trace
   of the page. If one fails, a notice shows the id to quote. Errors of scripts go to our log. */
import "../statuspage/errors.js";
import { showTrouble, traced } from "../statuspage/trace.js";

// The theme's two libraries have only this in common.
const send = XMLHttpRequest.prototype.send;
XMLHttpRequest.prototype.send = function (body) {
  for (const [name, value] of Object.entries(traced())) this.setRequestHeader(name, value);
  this.addEventListener("load", () => this.status >= 400 && showTrouble());
  this.addEventListener("error", showTrouble);
  this.addEventListener("timeout", showTrouble);
  return send.call(this, body);
};
