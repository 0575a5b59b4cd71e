"use strict";
// The page tells its size and focus also before it is connected, which browsers refuse: such a message is sent once it is.
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (this.readyState === WebSocket.CONNECTING) {
    this.addEventListener("open", () => send.call(this, data), { once: true });
  } else {
    send.call(this, data);
  }
};
document.getElementById("again").addEventListener("click", () => window.location.reload());
window.addEventListener("load", () => document.querySelector(".xterm-helper-textarea")?.focus());
