// Somebody who follows a link from a mail arrives here although signed in: a SameSite=Strict cookie does not come along from
// another site. From our own page it does, so ask once, and go on if there is a session.
"use strict";
const door = document.getElementById("door");
fetch("/v1/gateways", { credentials: "same-origin" }).then((answer) => {
  if (answer.ok) location.replace(door.dataset.next);
}, () => {});
