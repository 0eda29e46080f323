// Looking closely: one zoom and one place for both pictures, so that the same detail is compared.
const MOST = 8, STEP = 1.25, CLOSE = 2.5, SHIFT = 0.12;
const MODE = "one-at-a-time";

export class Look {
  constructor(changed) {
    this.changed = changed; // called when another picture, mode or zoom is shown
    this.pointers = new Map();
    const small = matchMedia("(max-width: 560px) and (orientation: portrait)").matches;
    this.single = (localStorage.getItem(MODE) ?? (small ? "yes" : "no")) === "yes";
  }

  // A new pair: from the whole picture, the left one first.
  take(pair) {
    this.pair = pair;
    this.seen = new Set(this.single ? [] : ["left", "right"]);
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.show("left");
  }

  get bothSeen() { return this.seen.size === 2; }
  get near() { return this.scale > 1; }

  show(side) {
    this.shown = side;
    if (this.single) this.seen.add(side);
    this.draw();
  }

  flip() { this.show(this.shown === "left" ? "right" : "left"); }

  setSingle(single) {
    this.single = single;
    localStorage.setItem(MODE, single ? "yes" : "no");
    if (!single) this.seen = new Set(["left", "right"]);
    this.show(this.shown);
  }

  // `at` is a place in the frame, from 0 to 1; it stays where it is.
  zoom(scale, at = { x: 0.5, y: 0.5 }) {
    const next = Math.min(MOST, Math.max(1, scale));
    this.x = at.x - ((at.x - this.x) * next) / this.scale;
    this.y = at.y - ((at.y - this.y) * next) / this.scale;
    this.scale = next;
    this.pan(0, 0);
  }

  step(up, at) { this.zoom(up ? this.scale * STEP : this.scale / STEP < 1.05 ? 1 : this.scale / STEP, at); }
  toggle(at) { this.zoom(this.near ? 1 : CLOSE, at); }

  pan(dx, dy) {
    this.x = Math.min(0, Math.max(1 - this.scale, this.x + dx));
    this.y = Math.min(0, Math.max(1 - this.scale, this.y + dy));
    this.draw();
  }

  nudge(dx, dy) { this.pan(-dx * SHIFT, -dy * SHIFT); }

  draw() {
    const { style, dataset } = this.pair;
    style.setProperty("--scale", this.scale.toFixed(4));
    style.setProperty("--x", `${(this.x * 100).toFixed(3)}%`);
    style.setProperty("--y", `${(this.y * 100).toFixed(3)}%`);
    dataset.mode = this.single ? "single" : "both";
    dataset.shown = this.shown;
    dataset.near = this.near ? "yes" : "no";
    this.pair.querySelectorAll("[data-show]").forEach((tab) => {
      tab.setAttribute("aria-pressed", String(tab.dataset.show === this.shown));
    });
    this.changed();
  }

  // --- the mouse, the fingers ---

  listen(root) {
    root.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    root.addEventListener("pointerdown", (event) => this.onDown(event));
    root.addEventListener("pointermove", (event) => this.onMove(event));
    for (const kind of ["pointerup", "pointercancel"]) root.addEventListener(kind, (event) => this.onUp(event));
    root.addEventListener("dblclick", (event) => {
      const frame = this.frameOf(event);
      if (frame && !this.single) this.toggle(place(event, frame));
    });
  }

  frameOf(event) {
    const frame = event.target.closest?.(".frame");
    return frame && !event.target.closest("button") && this.pair?.contains(frame) ? frame : null;
  }

  onWheel(event) {
    const frame = this.frameOf(event);
    const scrolls = document.documentElement.scrollHeight > window.innerHeight + 1;
    if (!frame || (scrolls && !this.near && !event.ctrlKey)) return; // the page itself has to scroll
    event.preventDefault();
    this.zoom(this.scale * Math.exp(-Math.max(-240, Math.min(240, event.deltaY)) / 480), place(event, frame));
  }

  onDown(event) {
    const frame = this.frameOf(event);
    if (!frame || event.button) return;
    if (!this.pointers.size) this.moved = false;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, frame });
    if (this.near) frame.setPointerCapture(event.pointerId);
  }

  onMove(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY, frame: before.frame };
    if (Math.hypot(now.x - before.x, now.y - before.y) < 3 && !this.moved) return;
    this.moved = true;
    const box = before.frame.getBoundingClientRect();
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const ratio = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
      this.zoom(this.scale * ratio, place({ clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 }, before.frame));
    } else if (this.near) {
      this.pan((now.x - before.x) / box.width, (now.y - before.y) / box.height);
    }
    this.pointers.set(event.pointerId, now);
  }

  onUp(event) {
    const down = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (!down || this.moved || event.type === "pointercancel") return;
    if (this.single) return this.flip();
    if (event.pointerType !== "mouse") { this.shown = down.frame.dataset.side; this.setSingle(true); }
  }
}

function place(event, frame) {
  const box = frame.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
}
