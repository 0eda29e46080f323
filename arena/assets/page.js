// The page: shows what the server sends, and lets a rater answer once both pictures were seen.
import { Look } from "./look.js";
import * as talk from "./talk.js";

const KEYS = {
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "tie", t: "tie", ArrowDown: "both_bad", b: "both_bad", s: "skip", u: "undo", Enter: "continue",
};
const TOOLS = { r: "report", z: "zoom", c: "place", f: "full", "+": "nearer", "=": "nearer", "-": "farther", 0: "whole", Escape: "leave" };
const SLOW = 10000; // ms until a rater is told that a picture is slow, and may skip it

let desk, live, look;
let sources = {}; // what each part of the stage was made of
let kept = new Map(); // pictures fetched beforehand, by address
let pending = false;
let readyAt = 0; // when both pictures could be seen
let awakeAt = Infinity;
let timers = [];

const stage = () => desk.querySelector(".stage");
const words = () => JSON.parse(stage().dataset.words);
const buttons = (selector = "[data-choice]") => [...stage().querySelectorAll(selector)];
const pictures = () => [...stage().querySelectorAll(".pair img")];

export function start(element) {
  desk = element.querySelector(".desk");
  live = element.querySelector(".live");
  look = new Look(refresh);
  look.listen(desk);
  desk.addEventListener("click", onClick);
  desk.addEventListener("change", onChange);
  desk.addEventListener("submit", onSubmit);
  document.addEventListener("keydown", onKey);
  document.addEventListener("fullscreenchange", refresh);
  document.addEventListener("visibilitychange", settle);
  window.addEventListener("online", () => stage() && retry());
  const left = talk.unanswered();
  (left ? talk.act(left, trouble) : talk.stage(location.search, trouble)).then(show, reload).then(forgetLanguage);
}

// A link may name a language; once it was followed, what the rater chooses counts.
function forgetLanguage() {
  const address = new URL(location.href);
  if (!address.searchParams.has("lang")) return;
  address.searchParams.delete("lang");
  history.replaceState(history.state, "", address);
}

function reload(error) {
  if (!(error instanceof talk.Refused)) throw error;
  talk.stage(location.search, trouble).then(show);
}

// --- showing ---

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").querySelector(".stage");
  const parts = Object.fromEntries([...fresh.querySelectorAll("[data-part]")].map((p) => [p.dataset.part, p.outerHTML]));
  const now = stage();
  const same = now && now.dataset.kind === fresh.dataset.kind && now.lang === fresh.lang;
  const language = now && now.lang !== fresh.lang && document.activeElement?.matches("[data-language]");
  pending = false;
  timers.forEach(clearTimeout);
  if (now && !same) pictures().filter(whole).forEach((image) => kept.set(image.getAttribute("src"), image));
  adopt(fresh);
  if (same) patch(now, fresh, parts);
  else desk.replaceChildren(fresh);
  sources = parts;
  arrive(now && !same);
  if (language) stage().querySelector("[data-language]").focus();
}

// Only what changed is exchanged: a button keeps the focus, and nothing flickers.
function patch(now, fresh, parts) {
  for (const { name } of [...now.attributes]) if (!fresh.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of fresh.attributes) now.setAttribute(name, value);
  for (const [name, source] of Object.entries(parts)) {
    if (source === sources[name]) continue;
    now.querySelector(`[data-part="${name}"]`).replaceWith(fresh.querySelector(`[data-part="${name}"]`));
  }
}

function adopt(fresh) {
  for (const image of fresh.querySelectorAll(".pair img")) {
    const ready = kept.get(image.getAttribute("src"));
    if (!ready) continue;
    for (const { name, value } of image.attributes) if (name !== "src") ready.setAttribute(name, value);
    image.replaceWith(ready);
  }
  kept = new Map();
}

function arrive(changed) {
  const now = stage();
  document.documentElement.lang = now.lang;
  document.documentElement.dir = now.dir;
  document.title = now.dataset.title;
  live.textContent = now.dataset.said;
  readyAt = 0;
  awakeAt = Infinity;
  buttons().forEach((button) => button.classList.remove("chosen"));
  if (changed) now.querySelector("h1")?.focus({ preventScroll: true });
  const pair = now.querySelector(".pair");
  if (pair) {
    pictures().forEach((image) => { image.onload = settle; image.onerror = settle; });
    timers = [setTimeout(slow, SLOW)];
    look.take(pair);
    settle();
  }
  refresh();
}

// --- pictures ---

const broken = (image) => image.complete && !image.naturalWidth;
const whole = (image) => image.complete && image.naturalWidth > 0;

function settle() {
  const all = stage() ? pictures() : [];
  for (const image of all) complain(image, broken(image) ? "failed" : whole(image) ? null : image.dataset.trouble);
  if (all.length && all.every(whole) && !readyAt && !document.hidden) ready();
  else refresh();
}

function ready() {
  readyAt = performance.now();
  const pause = Number(stage().dataset.pause) * 1000;
  awakeAt = readyAt + pause;
  stage().style.setProperty("--pause", `${pause}ms`);
  timers.push(setTimeout(refresh, pause + 5));
  fetchNext();
  refresh();
}

function fetchNext() {
  for (const url of stage().dataset.next.split(" ").filter(Boolean)) {
    const image = Object.assign(new Image(), { src: url });
    image.decode().catch(() => kept.delete(url)); // it is asked for again when its turn comes
    kept.set(url, image);
  }
}

function complain(image, trouble) {
  const box = image.closest(".frame").querySelector(".trouble");
  if (trouble) image.dataset.trouble = trouble;
  else delete image.dataset.trouble;
  box.hidden = !trouble;
  box.dataset.now = trouble || "";
}

function slow() {
  pictures().filter((image) => !image.complete).forEach((image) => complain(image, "slow"));
  refresh();
}

function retry(images = pictures().filter(broken)) {
  for (const image of images) {
    complain(image, null);
    image.src = image.getAttribute("src");
  }
}

// --- what can be done now ---

function isAwake() { return performance.now() >= awakeAt && look.bothSeen; }

function allowed(choice) {
  const { dataset } = stage();
  if (pending) return false;
  if (choice === "language" || choice === "report") return true;
  if (choice === "undo") return dataset.undo === "yes";
  if (!dataset.token) return true; // nothing is judged here: consent, a pause, what a training taught
  if (choice === "skip") return readyAt > 0 || pictures().some((image) => image.dataset.trouble);
  return isAwake();
}

function refresh() {
  const now = stage();
  if (!now) return;
  buttons().forEach((button) => button.setAttribute("aria-disabled", String(!allowed(button.dataset.choice))));
  if (!now.querySelector(".pair")) return;
  now.classList.toggle("ready", readyAt > 0);
  now.classList.toggle("awake", isAwake());
  now.classList.toggle("other", readyAt > 0 && !look.bothSeen);
  press("zoom", look.near);
  press("place", look.single);
  press("full", Boolean(document.fullscreenElement));
  const full = now.querySelector("[data-tool=full]");
  if (full) full.hidden = !document.fullscreenEnabled;
}

function press(tool, on) {
  stage().querySelector(`[data-tool="${tool}"]`)?.setAttribute("aria-pressed", String(on));
}

// --- acting ---

function choose(choice, more = {}) {
  if (!allowed(choice)) return;
  const now = stage();
  const seconds = readyAt ? (performance.now() - readyAt) / 1000 : null;
  pending = true;
  now.dataset.chosen = choice;
  buttons().filter((button) => button.dataset.choice === choice).forEach((button) => button.classList.add("chosen"));
  refresh();
  talk.act({ choice, token: now.dataset.token || "", seconds, ...more }, trouble).then(show, reload);
}

function trouble(on) {
  const now = stage();
  if (!now) return;
  const notice = now.querySelector(".notice");
  notice.classList.toggle("alarm", on);
  notice.textContent = on ? words().kept : "";
  live.textContent = notice.textContent;
}

function use(tool) {
  if (!stage()?.dataset.token || !look.pair) return;
  if (tool === "report") stage().querySelector("[data-tool=report]") && stage().querySelector(".report").showModal();
  else if (tool === "zoom") look.toggle();
  else if (tool === "nearer" || tool === "farther") look.step(tool === "nearer");
  else if (tool === "whole") look.zoom(1);
  else if (tool === "place") look.setSingle(!look.single);
  else if (tool === "full") fullScreen();
  else if (tool === "leave") look.near ? look.zoom(1) : look.setSingle(false);
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
}

function onClick(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const { choice, tool, show: side } = button.dataset;
  if (choice) choose(choice);
  else if (tool) use(tool);
  else if (side) look.show(side);
  else if ("again" in button.dataset) retry([button.closest(".frame").querySelector("img")]);
}

function onChange(event) {
  if (event.target.matches("[data-language]")) choose("language", { language: event.target.value });
}

function onSubmit(event) {
  const dialog = event.target.closest("dialog.report");
  if (!dialog) return;
  event.preventDefault();
  const said = Object.fromEntries(new FormData(event.target));
  dialog.close(); // gives the focus back
  if (event.submitter?.value !== "send") return;
  event.target.reset();
  choose("report", said);
}

// Where letters are typed through an input method, the key's place on the board counts.
function nameOf(event) {
  if (/^Key[A-Z]$/.test(event.code) && !/^[a-z]$/i.test(event.key)) return event.code[3].toLowerCase();
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

function onKey(event) {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || !stage()) return;
  if (event.target.closest?.("select, dialog[open]")) return;
  const key = nameOf(event);
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (event.shiftKey && arrow) look.pair && look.nudge(...arrow);
  else if (key === " " && look.single && !event.target.closest?.("button")) look.flip();
  else if (key === "Enter" && event.target.closest?.("button, a")) return;
  else if (KEYS[key] && stage().querySelector(`[data-choice="${KEYS[key]}"]`)) choose(KEYS[key]);
  else if (TOOLS[key] && stage().dataset.token) use(TOOLS[key]);
  else return;
  event.preventDefault();
}
