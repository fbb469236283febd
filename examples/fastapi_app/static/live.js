"use strict";
// Keeps the table up to date. Rows are made by the server, which has escaped what customers wrote.
const rows = document.querySelector("tbody");
const said = document.getElementById("said");
const newest = document.body.dataset.newest;
const changes = new EventSource(`/changes?last_event_id=${newest}`);

changes.onmessage = (event) => {
  const change = JSON.parse(event.data);
  document.getElementById(change.id)?.remove();
  if (change.row) {
    const template = document.createElement("template");
    template.innerHTML = change.row;
    const row = template.content.firstElementChild;
    row.classList.add("fresh");
    rows.prepend(row);
  }
  said.textContent = change.said;
};
changes.addEventListener("reset", () => location.reload());
changes.onerror = () => {
  said.textContent = changes.readyState === EventSource.CLOSED
    ? "Changes cannot be read now: reload the page later." : "Connecting again.";
};
