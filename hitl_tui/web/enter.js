"use strict";
// The token is behind the #, which browsers send to nobody: no log and no preview of a chat has it.
document.getElementById("token").value = window.location.hash.slice(1);
window.history.replaceState(null, "", window.location.pathname);
