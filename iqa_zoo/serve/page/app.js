"use strict";
// The page of iqa-zoo serve. It uses the JSON interface that /openapi.json describes, and nothing else.

const AT_ONCE = 2; // requests
const MOST = 500; // photographs on the page
const RAMP = ["#00224e", "#2a3f6d", "#575d6d", "#7d7c78", "#a59c74", "#d2c060", "#fee838"]; // cividis, dark is low
const one = (selector, root = document) => root.querySelector(selector);
const results = one("#results"), statusLine = one("#status");
const entries = []; // {id, file, name, card, answer, error, scores}
const waiting = [];
let running = 0, models = [], limits = null, ready = null, number = 0;

function make(tag, text = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

function format(value, digits = 1) {
  return value === null || value === undefined ? "" : value.toFixed(digits);
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  let content = null;
  try {
    content = await response.json();
  } catch {
    throw new Error(`The server answered ${response.status} without an explanation.`);
  }
  if (content.error) throw new Error(content.error.message);
  return content;
}

async function begin() {
  [models, limits] = await Promise.all([ask("v1/models"), ask("v1/limits")]);
  one("#limits").textContent =
    `At most ${limits.file_megabytes} MB and ${limits.megapixels} megapixels each. They go to this server only, and it keeps nothing.`;
  const field = one("#models");
  for (const model of models) {
    const label = make("label"), box = make("input");
    Object.assign(box, { type: "checkbox", value: model.name, checked: true, name: "model" });
    box.addEventListener("change", () => changeModels(box));
    label.append(box, make("span", model.name));
    field.append(label);
    one("#signatures").append(make("li", model.signature));
  }
  field.hidden = models.length < 2;
}

function chosen() {
  return [...document.querySelectorAll("#models input:checked")].map((box) => box.value);
}

function changeModels(box) {
  if (!chosen().length) {
    box.checked = true;
    say("At least one model is needed.");
    return;
  }
  for (const entry of entries) {
    if (entry.error) continue;
    const missing = chosen().filter((name) => !entry.scores.has(name));
    if (missing.length && entry.state === "done") enqueue(entry);
    else if (entry.state === "done") showScores(entry);
  }
  arrange();
}

function say(text) {
  statusLine.textContent = text;
}

// ---- adding photographs ----

function add(files) {
  const given = [...files];
  if (!given.length) return;
  if (entries.length + given.length > MOST) {
    say(`At most ${MOST} photographs on one page; clear some first.`);
    return;
  }
  for (const file of given) {
    const entry = { id: number++, file, name: file.name || "pasted photograph", scores: new Map(), state: "new", error: "" };
    entries.push(entry);
    showCard(entry);
    enqueue(entry);
  }
  one("#tools").hidden = false;
  one("#empty").hidden = true;
  report();
}

function enqueue(entry) {
  entry.state = "waiting";
  waiting.push(entry);
  run();
}

async function run() {
  if (running >= AT_ONCE || !waiting.length) return;
  running++;
  const entry = waiting.shift();
  try {
    await ready;
    await score(entry);
  } catch (problem) {
    if (!entry.scores.size) entry.error = problem.message;
    else say(problem.message);
  }
  running--;
  if (entries.includes(entry)) {
    entry.state = "done";
    showScores(entry);
    arrange();
    report(entry);
  }
  run();
}

async function score(entry) {
  const bytes = limits.file_megabytes * 1e6;
  if (entry.file.size > bytes) {
    throw new Error(`${entry.name} has ${format(entry.file.size / 1e6)} MB; at most ${limits.file_megabytes} MB are accepted: reduce it`);
  }
  const names = chosen().filter((name) => !entry.scores.has(name));
  const form = new FormData();
  form.append("photographs", entry.file, entry.name);
  const query = names.map((name) => `model=${encodeURIComponent(name)}`).join("&");
  const { photographs: [answer] } = await ask(`v1/score?${query}`, { method: "POST", body: form });
  if (answer.error) throw new Error(answer.error);
  Object.assign(entry, { height: answer.height, width: answer.width });
  for (const each of answer.scores) entry.scores.set(each.model, each);
}

function report(entry) {
  const left = entries.filter((each) => each.state !== "done").length;
  const refused = entries.filter((each) => each.error).length;
  const done = entries.length - left - refused;
  const parts = [`${done} of ${entries.length} photograph${entries.length === 1 ? "" : "s"} scored`];
  if (refused) parts.push(`${refused} refused`);
  let text = parts.join(", ") + ".";
  if (entry && entry.error) text += ` ${entry.error}.`;
  else if (entry && entries.length - left <= 20) {
    const first = entry.scores.get(chosen()[0]);
    if (first && first.score !== null) text += ` ${entry.name}: ${format(first.score)}, ${first.word}.`;
  }
  say(text);
}

// ---- cards ----

function showCard(entry) {
  const card = one("#card").content.firstElementChild.cloneNode(true);
  entry.card = card;
  one("h3", card).textContent = entry.name;
  one(".scores", card).append(make("div", "", "wait"));
  results.append(card);
}

function showPicture(entry) {
  const image = one("img", entry.card);
  if (image.src) return;
  image.addEventListener("error", () => {
    image.remove();
    one(".frame", entry.card).append(make("span", "No preview in this browser", "soft"));
  });
  image.alt = `Preview of ${entry.name}`;
  entry.url = URL.createObjectURL(entry.file);
  image.src = entry.url;
}

function showScores(entry) {
  const { card } = entry;
  const place = one(".scores", card), problem = one(".error", card);
  place.replaceChildren();
  problem.hidden = !entry.error;
  problem.textContent = entry.error;
  if (entry.error) {
    one(".frame", card).replaceChildren(make("span", "Refused", "soft"));
    card.classList.add("refused");
    return;
  }
  showPicture(entry);
  one(".size", card).textContent = `${entry.width} x ${entry.height} pixels, ${format(entry.file.size / 1e6, 2)} MB`;
  const shown = models.filter((model) => chosen().includes(model.name) && entry.scores.has(model.name));
  for (const model of shown) place.append(makeScore(model, entry.scores.get(model.name)));
  const actions = one(".actions", card);
  actions.replaceChildren();
  for (const model of shown) {
    const button = make("button", shown.length > 1 ? `Map by ${model.name}` : "Show map", "button");
    button.type = "button";
    button.setAttribute("aria-label", `${button.textContent} of ${entry.name}`);
    button.setAttribute("aria-expanded", "false");
    button.dataset.model = model.name;
    button.addEventListener("click", () => toggleMap(entry, model, button));
    actions.append(button);
  }
  hideMap(entry);
}

function makeScore(model, answer) {
  const made = one("#score").content.firstElementChild.cloneNode(true);
  one(".model", made).textContent = model.name;
  if (answer.score === null) {
    made.replaceChildren(make("p", model.name, "model"), make("p", answer.error, "error"));
    return made;
  }
  one(".value", made).textContent = format(answer.score);
  const word = one(".word", made);
  word.textContent = answer.word;
  word.classList.add(answer.word);
  const at = (value) => `${Math.min(100, Math.max(0, (100 * (value - model.lowest)) / (model.highest - model.lowest)))}%`;
  one(".dot", made).style.left = at(answer.score);
  const band = one(".band", made);
  band.hidden = answer.low === null;
  if (answer.low !== null) {
    band.style.left = at(answer.low);
    band.style.right = `calc(100% - ${at(answer.high)})`;
  }
  const ends = made.querySelectorAll(".ends span");
  ends[0].textContent = model.lowest;
  ends[1].textContent = model.highest;
  const meaning = [];
  if (answer.low !== null) meaning.push(`${format(answer.low)} to ${format(answer.high)} (${Math.round(100 * answer.coverage)} % interval)`);
  if (answer.percentile !== null) meaning.push(`better than ${Math.floor(answer.percentile)} % of the rated photographs`);
  if (!model.higher_is_better) meaning.push("lower scores are better");
  one(".meaning", made).textContent = meaning.join("; ");
  const flags = one(".flags", made);
  if (answer.note) flags.append(make("li", answer.note, "note"));
  for (const flag of answer.flags) if (!answer.note.startsWith(flag)) flags.append(make("li", flag));
  return made;
}

// ---- maps ----

async function toggleMap(entry, model, button) {
  const opened = button.getAttribute("aria-expanded") === "true";
  hideMap(entry);
  if (opened) return;
  const label = button.textContent;
  button.disabled = true;
  button.textContent = "Computing the map...";
  try {
    entry.maps ??= new Map();
    if (!entry.maps.has(model.name)) {
      const form = new FormData();
      form.append("photograph", entry.file, entry.name);
      entry.maps.set(model.name, await ask(`v1/map?model=${encodeURIComponent(model.name)}`, { method: "POST", body: form }));
    }
    const found = entry.maps.get(model.name);
    hideMap(entry);
    drawMap(entry, found, model);
    button.setAttribute("aria-expanded", "true");
    say(`Map of ${entry.name} by ${model.name} is shown.`);
  } catch (problem) {
    say(problem.message);
  }
  button.disabled = false;
  const expanded = button.getAttribute("aria-expanded") === "true";
  button.textContent = expanded ? label.replace(/^Show map/, "Hide map").replace(/^Map by/, "Hide map by") : label;
  button.focus();
}

function hideMap(entry) {
  one(".frame canvas", entry.card)?.setAttribute("hidden", "");
  one(".map", entry.card).hidden = true;
  for (const button of entry.card.querySelectorAll(".actions button")) {
    button.setAttribute("aria-expanded", "false");
    button.textContent = button.textContent.replace(/^Hide map by/, "Map by").replace(/^Hide map/, "Show map");
  }
}

function pickColour(share) {
  const place = Math.min(1, Math.max(0, share)) * (RAMP.length - 1);
  const index = Math.min(RAMP.length - 2, Math.floor(place)), rest = place - index;
  const parts = [1, 3, 5].map((from) => {
    const [first, second] = [RAMP[index], RAMP[index + 1]].map((colour) => parseInt(colour.slice(from, from + 2), 16));
    return Math.round(first + rest * (second - first));
  });
  return `rgb(${parts.join(" ")})`;
}

function drawMap(entry, found, model) {
  const values = found.map.flat().filter((value) => value !== null);
  let low = Math.min(...values), high = Math.max(...values);
  const least = Math.abs(model.highest - model.lowest) / 10; // equal regions look equal
  if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
  const canvas = one(".frame canvas", entry.card);
  if (canvas) {
    canvas.width = found.map[0].length;
    canvas.height = found.map.length;
    const pen = canvas.getContext("2d");
    found.map.forEach((row, y) => row.forEach((value, x) => {
      if (value === null) return;
      pen.fillStyle = pickColour((value - low) / (high - low));
      pen.fillRect(x, y, 1, 1);
    }));
    canvas.hidden = false;
  }
  const place = one(".map", entry.card), strip = one(".legend canvas", place).getContext("2d");
  for (let x = 0; x < 64; x++) {
    strip.fillStyle = pickColour(x / 63);
    strip.fillRect(x, 0, 1, 1);
  }
  one(".low", place).textContent = format(low);
  one(".high", place).textContent = format(high);
  one("ul", place).replaceChildren(...found.sentences.map((sentence) => make("li", sentence)));
  place.hidden = false;
}

// ---- order, table, clear ----

function arrange() {
  const order = one("#order").value, first = models.find((model) => model.name === chosen()[0]);
  const sign = (order === "best" ? -1 : 1) * (first && !first.higher_is_better ? -1 : 1);
  const value = (entry) => (first && entry.scores.get(first.name)?.score) ?? null;
  const sorted = [...entries].sort((a, b) => {
    if (order === "added") return a.id - b.id;
    const [one, other] = [value(a), value(b)];
    if (one === null || other === null) return (one === null) - (other === null) || a.id - b.id;
    return sign * (one - other) || a.id - b.id;
  });
  if (sorted.some((entry, index) => results.children[index] !== entry.card)) {
    const focused = document.activeElement;
    results.append(...sorted.map((entry) => entry.card));
    if (results.contains(focused)) focused.focus();
  }
}

function quote(value) {
  let text = String(value ?? "");
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`; // no formula of a spreadsheet
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function makeTable() {
  const columns = ["image", "model", "score", "low", "high", "percentile", "word", "flags", "height", "width", "note"];
  const rows = [columns];
  for (const entry of entries) {
    if (entry.error) rows.push([entry.name, "", "", "", "", "", "", "", "", "", entry.error]);
    for (const name of chosen()) {
      const each = entry.scores.get(name);
      if (!each) continue;
      rows.push([entry.name, name, each.score, each.low, each.high, each.percentile, each.word, each.flags.join("; "), entry.height, entry.width, each.error || each.note]);
    }
  }
  return rows.map((row) => row.map(quote).join(",") + "\n").join("");
}

function download() {
  const url = URL.createObjectURL(new Blob([makeTable()], { type: "text/csv" }));
  const link = make("a");
  Object.assign(link, { href: url, download: "scores.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function clear() {
  for (const entry of entries) if (entry.url) URL.revokeObjectURL(entry.url);
  entries.length = waiting.length = 0;
  results.replaceChildren();
  one("#tools").hidden = true;
  one("#empty").hidden = false;
  say("Cleared.");
  one("#choose").focus();
}

// ---- events ----

const drop = one("#drop");
let inside = 0;
const holdsFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("dragenter", (event) => {
  if (!holdsFiles(event)) return;
  inside++;
  drop.classList.add("over");
});
document.addEventListener("dragleave", () => {
  inside = Math.max(0, inside - 1);
  if (!inside) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  inside = 0;
  drop.classList.remove("over");
  if (event.dataTransfer) add(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => add(event.clipboardData ? event.clipboardData.files : []));
one("#choose").addEventListener("change", (event) => {
  add(event.target.files);
  event.target.value = "";
});
one("#order").addEventListener("change", arrange);
one("#csv").addEventListener("click", download);
one("#clear").addEventListener("click", clear);
ready = begin();
ready.catch((problem) => say(problem.message));
