"use strict";

const HISTORY_S = 60;
const cards = [];

function post(path, body) {
  return fetch(path, {
    method: "POST",
    headers: {"X-Pose-Stream": "1", "Content-Type": "application/json"},
    body: JSON.stringify(body),
  });
}

function makeCard(index) {
  const article = document.getElementById("source").content.firstElementChild.cloneNode(true);
  const find = (name) => article.querySelector(name);
  find("img").src = `/video?source=${index}`;
  find(".screenshot").addEventListener("click", async () => {
    const reply = await fetch(`/image?source=${index}`);
    if (!reply.ok) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await reply.blob());
    link.download = `screenshot-${index}-${Date.now()}.jpg`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  find(".record").addEventListener("click", (event) => {
    post(`/api/record?source=${index}`, {on: !event.target.classList.contains("on")});
  });
  for (const button of article.querySelectorAll(".overlay")) {
    button.addEventListener("click", () => post(`/api/overlay?source=${index}`, {overlay: button.dataset.overlay}));
  }
  document.getElementById("sources").append(article);
  return {article, find, times: [], fps: [], latency: []};
}

function showCard(card, source) {
  const {find} = card;
  find(".label").textContent = source.label;
  const state = find("h2 .state");
  const times = source.epoch === 1 ? "once" : `${source.epoch} times`;
  state.textContent = source.epoch > 0 ? `${source.state}, reconnected ${times}` : source.state;
  state.className = `state ${source.state}`;
  find(".detail").textContent = `${source.size.join(" x ")}, ${source.model}, ${source.runtime}, at ${source.time_s.toFixed(1)} s`;
  find(".fps").textContent = source.fps.toFixed(1);
  find(".latency").textContent = `${source.latency_ms.toFixed(0)} ms`;
  find(".people").textContent = source.people;
  find(".drops").textContent = source.drops;
  find(".drops").classList.toggle("some", source.drops > 0);
  find(".record").classList.toggle("on", Boolean(source.recording));
  find(".record").textContent = source.recording ? "Stop recording" : "Record";
  remember(card, source);
  drawChart(find(".fps-chart"), card.times, card.fps, "#57d38c");
  drawChart(find(".latency-chart"), card.times, card.latency, "#3aa8ff");
  showStages(find(".stages"), source.stages_ms);
}

function remember(card, source) {
  const now = performance.now() / 1000;
  card.times.push(now);
  card.fps.push(source.fps);
  card.latency.push(source.latency_ms);
  while (card.times[0] < now - HISTORY_S) for (const list of [card.times, card.fps, card.latency]) list.shift();
}

function drawChart(canvas, times, values, colour) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const top = niceCeiling(Math.max(...values, 1));
  const now = times[times.length - 1];
  pen.strokeStyle = "#2a333d";
  pen.fillStyle = "#8d9aa8";
  pen.font = "10px system-ui, sans-serif";
  for (const share of [0, 0.5, 1]) {
    const y = Math.round((height - 12) * (1 - share)) + 6.5;
    pen.beginPath(); pen.moveTo(28, y); pen.lineTo(width, y); pen.stroke();
    pen.fillText(+(top * share).toPrecision(3), 0, y + 3);
  }
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.beginPath();
  values.forEach((value, index) => {
    const x = 28 + (width - 28) * (1 - (now - times[index]) / HISTORY_S);
    const y = (height - 12) * (1 - value / top) + 6.5;
    index ? pen.lineTo(x, y) : pen.moveTo(x, y);
  });
  pen.stroke();
}

function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function showStages(place, stages) {
  const names = Object.keys(stages);
  const longest = Math.max(...Object.values(stages), 1e-6);
  while (place.children.length > names.length) place.lastChild.remove();
  names.forEach((name, index) => {
    let row = place.children[index];
    if (!row) {
      row = document.createElement("div");
      row.className = "stage";
      row.append(document.createElement("span"), document.createElement("div"), document.createElement("b"));
      row.children[1].className = "bar";
      row.children[1].append(document.createElement("i"));
      place.append(row);
    }
    row.children[0].textContent = name;
    row.children[1].firstChild.style.width = `${100 * stages[name] / longest}%`;
    row.children[2].textContent = `${stages[name].toFixed(1)} ms`;
  });
}

const connection = document.getElementById("connection");
const events = new EventSource("/api/events");
events.onmessage = (event) => {
  const {sources} = JSON.parse(event.data);
  connection.textContent = "connected";
  connection.className = "state running";
  document.getElementById("sources").classList.toggle("single", sources.length === 1);
  sources.forEach((source, index) => {
    cards[index] = cards[index] || makeCard(index);
    showCard(cards[index], source);
  });
};
events.onerror = () => {
  connection.textContent = "the stream has ended, or the connection is lost";
  connection.className = "state ended";
  for (const state of document.querySelectorAll("h2 .state")) {  // what it said is no longer known
    state.textContent = "not connected";
    state.className = "state ended";
  }
};
