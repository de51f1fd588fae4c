// A mask, painted over the content: white where a style goes.

const WHITE = "#fff";

export class MaskPainter {
  size = 40;
  soft = 0.3;
  erases = false;
  rectangle = false; // is one drawn, in the place of strokes?
  onChange = () => {};
  onRectangle = () => {};

  constructor(canvas) {
    this.shown = canvas;
    this.mask = document.createElement("canvas");
    this.picture = null;
    this.past = [];
    this.at = { x: canvas.width / 2, y: canvas.height / 2 };
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.picture) return;
      canvas.setPointerCapture(event.pointerId);
      this.remember();
      if (this.rectangle) this.corner = this.place(event);
      else this.stroke(this.place(event), this.place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!event.buttons || !this.picture) return;
      if (this.rectangle) this.outline(this.place(event));
      else this.stroke(this.at, this.place(event));
    });
    canvas.addEventListener("pointerup", (event) => {
      if (this.rectangle && this.corner) this.onRectangle(this.shares(this.corner, this.place(event)));
      else this.changed();
      this.corner = null;
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  setPicture(address) {
    this.picture = null;
    this.past = [];
    this.draw();
    if (!address) return;
    const picture = new Image();
    picture.addEventListener("load", () => {
      for (const canvas of [this.shown, this.mask]) [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
      this.picture = picture;
      this.at = { x: this.shown.width / 2, y: this.shown.height / 2 };
      this.blacken();
      this.draw();
    });
    picture.src = address;
  }

  place(event) {
    const box = this.shown.getBoundingClientRect();
    return { x: ((event.clientX - box.left) * this.shown.width) / box.width, y: ((event.clientY - box.top) * this.shown.height) / box.height };
  }

  outline(to) {
    this.draw();
    const context = this.shown.getContext("2d");
    context.strokeRect(this.corner.x, this.corner.y, to.x - this.corner.x, to.y - this.corner.y);
  }

  shares(a, b) {
    const share = (value, whole) => Math.min(Math.max(value / whole, 0), 1);
    const { width, height } = this.shown;
    return [share(Math.min(a.x, b.x), width), share(Math.min(a.y, b.y), height), share(Math.max(a.x, b.x), width), share(Math.max(a.y, b.y), height)];
  }

  // A mask that was made elsewhere, in the place of this one.
  take(address) {
    const made = new Image();
    made.addEventListener("load", () => {
      this.mask.getContext("2d").drawImage(made, 0, 0, this.mask.width, this.mask.height);
      this.changed();
    });
    made.src = address;
  }

  key(event) {
    const moves = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] };
    const move = moves[event.key];
    if (!this.picture || (!move && event.key !== " ")) return;
    event.preventDefault();
    if (move) {
      this.at = { x: Math.min(Math.max(this.at.x + move[0], 0), this.shown.width), y: Math.min(Math.max(this.at.y + move[1], 0), this.shown.height) };
      this.draw();
      return;
    }
    this.remember();
    this.stroke(this.at, this.at);
    this.changed();
  }

  stroke(from, to) {
    const context = this.mask.getContext("2d");
    const radius = this.size / 2;
    const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / (radius / 4 + 1)));
    for (let n = 0; n <= steps; n += 1) {
      const [x, y] = [from.x + ((to.x - from.x) * n) / steps, from.y + ((to.y - from.y) * n) / steps];
      const fade = context.createRadialGradient(x, y, radius * (1 - this.soft), x, y, radius);
      const [full, none] = this.erases ? ["#000", "#0000"] : [WHITE, "#fff0"];
      fade.addColorStop(0, full);
      fade.addColorStop(1, none);
      context.fillStyle = fade;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fill();
    }
    this.at = to;
    this.draw();
  }

  remember() {
    const { width, height } = this.mask;
    this.past.push(this.mask.getContext("2d").getImageData(0, 0, width, height));
    if (this.past.length > 30) this.past.shift();
  }

  undo() {
    const before = this.past.pop();
    if (!before) return;
    this.mask.getContext("2d").putImageData(before, 0, 0);
    this.changed();
  }

  fill() { this.whole((context, width, height) => { context.fillStyle = this.erases ? "#000" : WHITE; context.fillRect(0, 0, width, height); }); }

  invert() {
    this.whole((context, width, height) => {
      context.globalCompositeOperation = "difference";
      context.fillStyle = WHITE;
      context.fillRect(0, 0, width, height);
      context.globalCompositeOperation = "source-over";
    });
  }

  whole(change) {
    if (!this.picture) return;
    this.remember();
    change(this.mask.getContext("2d"), this.mask.width, this.mask.height);
    this.changed();
  }

  clear() { this.past = []; this.blacken(); this.draw(); }

  blacken() {
    const context = this.mask.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.mask.width, this.mask.height);
  }

  show(canvas) {
    this.blacken();
    if (canvas) this.mask.getContext("2d").drawImage(canvas, 0, 0);
    this.past = [];
    this.draw();
  }

  changed() {
    this.draw();
    const kept = document.createElement("canvas");
    [kept.width, kept.height] = [this.mask.width, this.mask.height];
    kept.getContext("2d").drawImage(this.mask, 0, 0);
    this.onChange(kept);
  }

  blobOf(canvas) {
    const whole = canvas ?? document.createElement("canvas");
    if (!canvas) { // a style without a mask of its own goes nowhere
      [whole.width, whole.height] = [this.mask.width, this.mask.height];
      const context = whole.getContext("2d");
      context.fillStyle = "#000";
      context.fillRect(0, 0, whole.width, whole.height);
    }
    return new Promise((done) => { whole.toBlob(done, "image/png"); });
  }

  draw() {
    const context = this.shown.getContext("2d");
    const { width, height } = this.shown;
    context.clearRect(0, 0, width, height);
    if (!this.picture) return;
    context.drawImage(this.picture, 0, 0, width, height);
    context.globalAlpha = 0.55;
    context.globalCompositeOperation = "screen";
    context.drawImage(this.mask, 0, 0);
    context.globalCompositeOperation = "source-over";
    context.globalAlpha = 1;
    context.strokeStyle = "#e33";
    context.lineWidth = 2;
    context.beginPath();
    context.arc(this.at.x, this.at.y, this.size / 2, 0, 2 * Math.PI);
    context.stroke();
  }
}
