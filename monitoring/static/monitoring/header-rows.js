/* Rows of headers: add and remove them, and hide the value of a secret. Without script, one empty row is there. */
for (const rows of document.querySelectorAll(".header-rows")) {
  const pattern = rows.lastElementChild.cloneNode(true);
  pattern.querySelector("[id]")?.removeAttribute("id");

  const button = (text, act) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text, className: "admin-link" });
    made.addEventListener("click", act);
    return made;
  };
  const equip = (row) => {
    const [name, value, kind] = row.children;
    kind.addEventListener("change", () => (value.type = kind.value ? "password" : "text"));
    row.append(
      button(rows.dataset.remove, () => {
        name.value = value.value = kind.value = ""; // an empty row is left out
        name.dispatchEvent(new Event("change", { bubbles: true }));
        row.hidden = true;
        add.focus();
      }),
    );
  };

  for (const row of rows.children) equip(row);
  const add = button(rows.dataset.add, () => {
    const row = pattern.cloneNode(true);
    equip(row);
    add.before(row);
    row.firstElementChild.focus();
  });
  rows.append(add);
}
