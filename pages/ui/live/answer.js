// What the cut answers: its numbers and its place on the trade-off. The server's answers come by the feed, a part of the
// page that holds nothing else, so that little is sent; while images stream in the next one is asked for from here.

const HELD = 3000; // ms without questions at most, while all of the page is drawn
const LOOK = 180; // ms between two looks at what has come, while images stream in
const PLOT = { width: 440, left: 34, right: 12, top: 14, bottom: 40 };
const mounted = new WeakMap();

export default function ({ parentElement }) {
  if (!mounted.has(parentElement)) mounted.set(parentElement, new Answer(parentElement));
  const answer = mounted.get(parentElement);
  answer.hear();
  return () => answer.leave();
}

class Answer {
  constructor(parent) {
    this.root = parent.querySelector(".answer");
    this.spoken = this.root.querySelector(".spoken");
    this.listen = (event) => this.preview(event.detail);
    this.hold = () => {
      this.held = { page: this.data?.page, until: Date.now() + HELD };
      clearTimeout(this.next);
    };
    this.listenFeed = () => this.hear();
    window.addEventListener("dimap-counts", this.listen);
    window.addEventListener("dimap-rest", this.hold);
    window.addEventListener("dimap-feed", this.listenFeed);
  }

  leave() {
    window.removeEventListener("dimap-counts", this.listen);
    window.removeEventListener("dimap-rest", this.hold);
    window.removeEventListener("dimap-feed", this.listenFeed);
    clearTimeout(this.next);
  }

  hear() {
    const feed = heard();
    if (!feed) return;
    this.ask = feed.ask;
    if (feed.data !== this.data) this.set(feed.data);
  }

  set(data) {
    const focus = this.root.getRootNode().activeElement?.dataset?.key;
    this.data = data;
    speak(data.words);
    this.root.className = `answer ${data.dark ? "dark" : "light"}${data.title ? "" : " bare"}`; // a lesson says it itself
    this.numbers();
    this.plot();
    if (focus) this.root.querySelector(`[data-key="${focus}"]`)?.focus();
    if (data.settled && this.spoken.textContent !== data.settled) this.spoken.textContent = data.settled;
    clearTimeout(this.next);
    // While all of the page is drawn, what the browser says of other controls may be old: nothing is asked until then.
    if (this.held && (data.page !== this.held.page || Date.now() > this.held.until)) this.held = null;
    if (data.running && !this.held) this.next = setTimeout(() => this.ask("look", data.beat), LOOK);
  }

  numbers() {
    const { data } = this, box = this.root.querySelector(".numbers");
    box.replaceChildren();
    const [params, macs, top1, change] = data.numbers;
    const big = html("div", "big");
    big.append(html("div", "label", top1.label.replace("Top-1", "Images right (top-1)")), html("div", "value", top1.value), html("div", "below", top1.below));
    if (data.progress != null) {
      const bar = html("div", "progress");
      const done = html("i");
      done.style.width = `${100 * data.progress}%`;
      bar.append(done);
      big.append(bar);
    } else if (data.scale) big.append(this.scale(data.scale));
    const table = html("dl");
    this.counts = {};
    for (const [key, one] of [["change", change], ["macs", macs], ["params", params]]) {
      const row = html("div");
      const value = html("dd", "", one.value);
      const below = html("dd", "below", one.below);
      const label = html("dt", "", { change: "Change", macs: "MACs", params: "Weights" }[key]);
      row.append(label, value, below);
      table.append(row);
      this.counts[key] = [value, below, one.of];
    }
    const time = html("div");
    time.append(html("dt", "", "Time"), html("dd", "", data.time[0]), html("dd", "below", data.time[1]));
    table.append(time);
    box.append(big, table);
  }

  scale({ low, high, value, dense, from, to }) {
    const at = (share) => 4 + (192 * (100 * share - from)) / (to - from);
    const picture = svg("svg", { viewBox: "0 0 200 34", class: "scale", "aria-hidden": "true" });
    picture.append(svg("path", { d: "M4 9H196M4 5v8M196 5v8", class: "axis" }));
    picture.append(svg("path", { d: `M${at(low)} 9H${at(high)}`, class: "interval" }));
    picture.append(svg("path", { d: star(at(value), 9, 6), class: "star" }));
    if (dense !== null) {
      picture.append(svg("rect", { x: at(dense) - 4, y: 5, width: 8, height: 8, class: "dense" }));
    }
    picture.append(svg("text", { x: 4, y: 28, class: "muted" }, `${from}`));
    picture.append(svg("text", { x: 196, y: 28, class: "muted end" }, `${to} %`));
    return picture;
  }

  // Counts of a hand that still moves; what is measured waits, paler, for the server.
  preview({ params, macs }) {
    if (!this.counts) return;
    for (const [key, now] of [["params", params], ["macs", macs]]) {
      const [value, below, of] = this.counts[key];
      value.textContent = short(now);
      below.textContent = said(`−${(100 * (1 - now / of)).toFixed(1)} % of ${short(of)}`);
    }
    this.root.classList.add("moving");
    const unit = this.data.plot?.unit === "params" ? params / this.data.of.params : macs / this.data.of.macs;
    const line = this.root.querySelector(".moved");
    if (line) {
      const x = this.x(unit);
      line.setAttribute("d", `M${x} ${PLOT.top}V${this.high - PLOT.bottom}`);
    }
  }

  x(share) {
    return PLOT.left + ((PLOT.width - PLOT.left - PLOT.right) * 100 * share) / 105;
  }

  y(share) {
    const { low, high } = this.data.plot;
    const inside = this.high - PLOT.top - PLOT.bottom;
    return PLOT.top + inside * (1 - (share - low) / (high - low));
  }

  plot() {
    const { data } = this, { plot } = data, box = this.root.querySelector(".plot");
    box.replaceChildren();
    this.root.querySelector("h2").textContent = data.title;
    this.root.querySelector(".sub").textContent = data.sub;
    this.root.querySelector(".caption").textContent = data.caption;
    if (!plot) return;
    this.high = 300;
    const picture = svg("svg", { viewBox: `0 0 ${PLOT.width} ${this.high}`, role: "group", "aria-label": data.title });
    this.axes(picture, plot);
    if (plot.front.length > 2) this.front(picture, plot.front);
    plot.curves.forEach((curve, place) => this.curve(picture, curve, place));
    if (plot.dense) this.dense(picture, plot.dense);
    this.tries(picture, plot);
    plot.recovered.forEach((pair) => this.trained(picture, pair));
    picture.append(svg("path", { class: "moved", d: "" }));
    if (plot.current) this.star(picture, plot.current);
    this.pins(picture, plot);
    box.append(picture);
  }

  axes(picture, { low, high, chance, unit }) {
    const right = PLOT.width - PLOT.right, base = this.high - PLOT.bottom;
    const step = high - low > 0.3 ? 0.2 : 0.05, mute = { "aria-hidden": "true" };
    for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= Math.min(1, high) + 1e-9; tick += step) {
      picture.append(svg("path", { d: `M${PLOT.left} ${this.y(tick)}H${right}`, class: "line" }));
      picture.append(svg("text", { x: PLOT.left - 6, y: this.y(tick) + 4, class: "muted end", ...mute }, `${Math.round(100 * tick)}`));
    }
    for (let tick = 0; tick <= 100; tick += 20) {
      picture.append(svg("text", { x: this.x(tick / 100), y: base + 17, class: "muted middle", ...mute }, `${tick}`));
    }
    picture.append(svg("text", { x: right, y: base + 34, class: "muted end" }, `${unit} kept, % of dense`));
    picture.append(svg("text", { x: PLOT.left + 4, y: PLOT.top - 3, class: "muted" }, `${this.data.plot.judged}, %`));
    if (chance > low && chance < high) {
      const y = this.y(chance);
      picture.append(svg("path", { d: `M${PLOT.left} ${y}H${right}`, class: "chance" }));
      picture.append(svg("text", { x: right, y: y - 4, class: "muted end" }, `guessing ${(100 * chance).toFixed(1)}`));
    }
  }

  inside(points) {
    return points.map(([x, y]) => `${this.x(x).toFixed(1)} ${this.y(y).toFixed(1)}`);
  }

  front(picture, points) {
    const steps = points.map(([x, y], n) => (n ? `H${this.x(x).toFixed(1)}V${this.y(y).toFixed(1)}`
      : `M${this.x(x).toFixed(1)} ${this.y(y).toFixed(1)}`));
    picture.append(svg("path", { d: `${steps.join("")}H${PLOT.width - PLOT.right}`, class: "front" }));
  }

  curve(picture, { label, kind, points }, place) {
    const seen = points.filter(([, y]) => y >= this.data.plot.low);
    if (!seen.length) return;
    picture.append(svg("path", { d: `M${this.inside(seen).join("L")}`, class: `curve ${kind}` }));
    const y = this.high - PLOT.bottom - 34 - 17 * place, right = PLOT.width - PLOT.right;
    picture.append(svg("path", { d: `M${right - 26} ${y - 4}H${right}`, class: `curve ${kind}` }));
    picture.append(svg("text", { x: right - 32, y, class: `end curve-name ${kind}` }, label));
  }

  dense(picture, { x, y }) {
    const at = [this.x(x), this.y(y)];
    picture.append(svg("rect", { x: at[0] - 5, y: at[1] - 5, width: 10, height: 10, class: "dense" }));
    picture.append(svg("text", { x: at[0], y: at[1] + 20, class: "ink end" }, `dense ${(100 * y).toFixed(1)}`));
  }

  // Earlier tries, oldest first: one tab stop, arrows go from one to the next, Enter goes back to it.
  tries(picture, plot) {
    const tries = Object.entries(plot.tries).filter(([, one]) => one).map(([key, one]) => ({ key: Number(key), ...one }));
    if (!tries.length) return;
    picture.append(svg("path", { d: `M${this.inside(tries.map((one) => [one.x, one.y])).join("L")}`, class: "trail" }));
    const nodes = tries.map((one, place) => {
      const node = svg("g", {
        class: "try", role: "button", tabindex: place === tries.length - 1 ? 0 : -1, "data-key": `try-${one.key}`,
        "aria-label": `Try ${one.key + 1}: ${one.told}. Enter goes back to it.`,
        transform: `translate(${this.x(one.x).toFixed(1)} ${this.y(one.y).toFixed(1)})`,
      });
      node.append(svg("title", {}, one.told));
      node.append(one.smaller ? svg("rect", { x: -8, y: -8, width: 16, height: 16 }) : svg("circle", { r: 8.5 }));
      node.append(svg("text", { y: 4, class: "middle" }, `${one.key + 1}`));
      const back = () => this.ask("back", one.key);
      node.addEventListener("click", back);
      node.addEventListener("keydown", (event) => {
        const to = { ArrowRight: place + 1, ArrowLeft: place - 1 }[event.key];
        if (event.key === "Enter" || event.key === " ") back();
        else if (to === undefined || !nodes[to]) return;
        else nodes[to].focus();
        event.preventDefault();
      });
      picture.append(node);
      return node;
    });
  }

  trained(picture, [before, after]) {
    const [from, to] = this.inside([before, after]);
    picture.append(svg("path", { d: `M${from}L${to}`, class: "trained" }));
    const [x, y] = [this.x(after[0]), this.y(after[1])];
    picture.append(svg("path", { d: `M${x} ${y - 7}l7 7l-7 7l-7 -7z`, class: "trained filled" }));
    picture.append(svg("text", { x: x + 10, y: y + 14, class: "trained-name" }, "trained"));
  }

  star(picture, { x, y, low, high, solid }) {
    const at = [this.x(x), this.y(y)], floor = this.high - PLOT.bottom;
    const [top, bottom] = [this.y(high), Math.min(floor, this.y(low))];
    picture.append(svg("path", { d: `M${at[0]} ${top}V${bottom}`, class: "interval" }));
    picture.append(svg("path", { d: star(at[0], Math.min(floor, at[1]), 10), class: solid ? "star" : "star hollow" }));
  }

  pins(picture, { pins, between }) {
    for (const { name, x, y } of pins) {
      const at = [this.x(x), this.y(y)];
      picture.append(svg("circle", { cx: at[0], cy: at[1], r: 10, class: "pin" }));
      picture.append(svg("text", { x: at[0], y: at[1] + 4.5, class: "pin-name middle" }, name));
    }
    if (between) {
      const [a, b] = pins;
      picture.append(svg("path", { d: `M${this.inside([[a.x, a.y], [b.x, b.y]]).join("L")}`, class: "between" }));
      const x = this.x((a.x + b.x) / 2), y = Math.max(this.y(a.y), this.y(b.y)) + 30;
      picture.append(svg("text", { x, y, class: "ink middle" }, between));
    }
  }
}

function star(x, y, size) {
  const points = Array.from({ length: 10 }, (_, n) => {
    const far = n % 2 ? size * 0.42 : size, turn = (Math.PI * n) / 5 - Math.PI / 2;
    return `${(x + far * Math.cos(turn)).toFixed(1)} ${(y + far * Math.sin(turn)).toFixed(1)}`;
  });
  return `M${points.join("L")}z`;
}
