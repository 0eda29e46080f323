// Runs once, inside the controls: `element` is their root and `trigger` sends an event to the server.
const KEYS = {
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "tie", t: "tie", ArrowDown: "both_bad", b: "both_bad",
  s: "skip", u: "undo", z: "undo",
};
const PATIENCE = 8000; // ms without an answer of the server; sending again is safe, one battle is one vote
const host = document.getElementById("stage");
const lens = element.querySelector("dialog");
const buttons = [...element.querySelectorAll("[data-choice]")];
let turn = null; // the state of the page that is shown
let readyAt = 0;
let waiting = null;
let fetched = [];

const stage = () => host.querySelector(".stage");
const allow = (choices) => buttons.forEach((b) => { b.disabled = !choices.includes(b.dataset.choice); });

function settle() {
  const now = stage();
  const pictures = [...now.querySelectorAll(".pair img")];
  pictures.forEach((p) => p.closest("figure").classList.toggle("failed", p.complete && !p.naturalWidth));
  if (!now.dataset.token || now.dataset.turn !== turn || waiting) return;
  if (pictures.some((p) => p.complete && !p.naturalWidth)) {
    now.classList.add("broken");
    allow(["skip", "undo"]);
  } else if (pictures.every((p) => p.complete)) {
    now.classList.add("ready");
    readyAt = performance.now();
    allow(buttons.map((b) => b.dataset.choice));
    fetched = (now.dataset.next || "").split(" ").filter(Boolean).map((url) => Object.assign(new Image(), { src: url }));
  }
}

// The pair takes what height the words and the buttons leave.
function fit() {
  const pair = stage()?.querySelector(".pair");
  if (!pair) return;
  const above = pair.getBoundingClientRect().top - stage().getBoundingClientRect().top;
  stage().style.setProperty("--around", `${Math.ceil(above + element.offsetHeight) + 6}px`);
}

function show() {
  const now = stage();
  if (!now || now.dataset.turn === turn) return;
  turn = now.dataset.turn;
  clearTimeout(waiting);
  waiting = null;
  buttons.forEach((b) => b.classList.remove("chosen"));
  allow(now.dataset.token ? [] : ["undo"]);
  element.querySelector(".controls").classList.toggle("over", !now.dataset.token);
  const text = now.querySelector("blockquote");
  if (text) text.classList.toggle("long", text.scrollHeight > 72);
  fit();
  now.querySelectorAll(".pair img").forEach((p) => { p.onload = settle; p.onerror = settle; });
  settle();
}

function again() {
  waiting = null;
  const now = stage();
  delete now.dataset.chosen;
  buttons.forEach((b) => b.classList.remove("chosen"));
  now.querySelector(".notice").textContent = "The server has not answered. Please try again.";
  settle();
}

function choose(choice) {
  const button = buttons.find((b) => b.dataset.choice === choice);
  if (button.disabled || waiting) return;
  const now = stage();
  now.dataset.chosen = choice;
  button.classList.add("chosen");
  allow([]);
  waiting = setTimeout(again, PATIENCE);
  const seconds = readyAt ? (performance.now() - readyAt) / 1000 : null;
  trigger("submit", { choice, token: now.dataset.token || "", seconds });
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-choice]");
  if (button) choose(button.dataset.choice);
});
host.addEventListener("click", (event) => {
  const zoom = event.target.closest("[data-zoom]");
  if (!zoom || !stage().classList.contains("ready")) return;
  lens.querySelector("img").src = zoom.querySelector("img").src;
  lens.showModal();
});
lens.addEventListener("click", () => lens.close());
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || lens.open) return;
  const choice = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!choice) return;
  event.preventDefault();
  choose(choice);
});
window.addEventListener("resize", fit);
new MutationObserver(show).observe(host, { childList: true, subtree: true });
show();
