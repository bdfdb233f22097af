/* Names and roles that the theme and its libraries leave out. Everything else is in our templates. */
// Icons are words in a font of symbols; a screen reader would read "arrow_back".
for (const icon of document.querySelectorAll(".material-symbols-outlined")) icon.setAttribute("aria-hidden", "true");

/** Name the parts of a select2 field by the field's label. */
function nameParts(select) {
  const label = select.labels[0];
  const parts = select.nextElementSibling;
  if (!label || !parts?.classList.contains("select2")) return;
  label.id ||= `${select.id}-label`;
  const value = parts.querySelector(".select2-selection--single .select2-selection__rendered");
  value?.setAttribute("aria-labelledby", label.id);
  value?.parentElement.setAttribute("aria-labelledby", `${label.id} ${value.id}`);
  parts.querySelector(".select2-search__field")?.setAttribute("aria-labelledby", label.id);
}

const $ = window.django?.jQuery;
if ($?.fn.select2) {
  $(() => $(".select2-hidden-accessible").each((_at, select) => nameParts(select))); // after Django has made them
  $(document).on("select2:open", ({ target }) => {
    const field = document.querySelector(".select2-dropdown .select2-search__field");
    field?.setAttribute("aria-labelledby", target.labels[0]?.id);
  });
}
