"use strict";
document.getElementById("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const reply = await fetch("/api/login", {
    method: "POST",
    headers: {"X-Pose-Stream": "1", "Content-Type": "application/json"},
    body: JSON.stringify({token: document.getElementById("token").value}),
  });
  if (reply.ok) location.replace("/");
  else document.getElementById("message").textContent = "That is not the token.";
});
