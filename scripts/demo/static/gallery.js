// A click on a photo of a gallery shows it large; a second click closes it. Without this file the link leads to its page.
"use strict";

const dialog = document.createElement("dialog");
const large = document.createElement("img");
dialog.append(large);
document.body.append(dialog);
dialog.addEventListener("click", () => dialog.close());

for (const link of document.querySelectorAll(".gallery li > a")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const small = link.querySelector("img");
    large.src = small.src;
    large.alt = small.alt;
    dialog.showModal();
  });
}
