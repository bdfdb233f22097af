/* Update ages every second, and show instants in the visitor's time zone on hover. */
const DAY_S = 86_400;
const formats = JSON.parse(document.body.dataset.formats);
const local = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long", timeStyle: "long" });

// The visitor's clock may be wrong, so the server's counts.
let skewMs = 0;

/** Read the server's time from its response. */
export function serverTimeIs(ms) {
  skewMs = ms - Date.now();
}

/** Update every age below a node. */
export function tick(node = document) {
  for (const time of node.querySelectorAll("time[data-age]")) {
    const seconds = Math.floor((Date.now() + skewMs - Date.parse(time.dateTime)) / 1000);
    if (seconds < DAY_S) time.textContent = fill(formats.ago, { duration: duration(Math.max(0, seconds)) });
  }
}

/** Show every instant below a node in full, in the visitor's zone, on hover. */
export function localize(node = document) {
  for (const time of node.querySelectorAll("time[datetime]")) time.title = local.format(new Date(time.dateTime));
}

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (seconds < 60) return fill(formats.seconds, { seconds });
  if (minutes < 60) return fill(formats.minutes, { minutes });
  return fill(formats.hours, { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

/** Fill in the server's formats: %(hours)d, %(minutes)02d, %(duration)s. */
function fill(format, values) {
  return format.replace(/%\((\w+)\)(02)?[ds]/g, (_, name, padded) => String(values[name]).padStart(padded ? 2 : 1, "0"));
}
