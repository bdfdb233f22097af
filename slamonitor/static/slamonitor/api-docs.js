/* Render the API description. A token entered to try it stays in the memory of the page. */
import "../statuspage/errors.js";
import { showTrouble, traced } from "../statuspage/trace.js";

const place = document.getElementById("api");

function draw(spec) {
  SwaggerUIBundle({
    spec,
    dom_id: "#api",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    validatorUrl: null, // asks nobody else
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    // Each response shows this trace as X-Trace-Id, each error as trace_id. The curl command is shown without it.
    requestInterceptor: (request) => Object.assign(request, { headers: { ...request.headers, ...traced() } }),
    showMutatedRequest: false,
  });
}

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const answer = await fetch(place.dataset.openapi, { headers: traced() }).catch(() => null);
if (answer?.ok) draw(await answer.json());
else showTrouble();
