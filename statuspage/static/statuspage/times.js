/* Let ages tick, and show instants in the visitor's own zone on hover. */
const DAY_S = 86_400;
const formats = JSON.parse(document.body.dataset.formats);
const local = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long", timeStyle: "long" });

// The visitor's clock may be wrong: what counts is the server's.
let skewMs = 0;

/** Learn the server's time from its own word. */
export function serverTimeIs(ms) {
  skewMs = ms - Date.now();
}

/** Write every age below a node anew. */
export function tick(node = document) {
  for (const time of node.querySelectorAll("time[data-age]")) {
    const seconds = Math.floor((Date.now() + skewMs - Date.parse(time.dateTime)) / 1000);
    if (seconds < DAY_S) time.textContent = fill(formats.ago, { duration: duration(Math.max(0, seconds)) });
  }
}

/** Say every instant below a node in full, in the visitor's zone, on hover. */
export function localize(node = document) {
  for (const time of node.querySelectorAll("time[datetime]")) time.title = local.format(new Date(time.dateTime));
}

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (seconds < 60) return fill(formats.seconds, { seconds });
  if (minutes < 60) return fill(formats.minutes, { minutes });
  return fill(formats.hours, { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

/** Fill the server's own formats: %(hours)d, %(minutes)02d, %(duration)s. */
function fill(format, values) {
  return format.replace(/%\((\w+)\)(02)?[ds]/g, (_, name, padded) => String(values[name]).padStart(padded ? 2 : 1, "0"));
}
