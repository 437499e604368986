// The model's map with its sliders: what is drawn follows the hand from tables that came with the page; the server
// hears the newest move and answers by the feed, which alone brings exact counts.

const NS = "http://www.w3.org/2000/svg";
const STEP = 5, FINE = 1, LEAP = 20, MOST = 98;
const PACE = 100; // ms between two moves sent during a drag
const REST = 450; // ms after the last move until the page around is drawn anew
const PATIENCE = 1500; // ms to wait for an answer before the next move is sent all the same
const GRAB = 4; // px a pointer moves on the drawing before it drags

const mounted = new WeakMap();

export default function (component) {
  const { parentElement, data } = component;
  let map = mounted.get(parentElement);
  if (!map) {
    map = new LiveMap(parentElement);
    mounted.set(parentElement, map);
  }
  map.set(component, data);
  return () => map.leave();
}

const svg = (name, attributes = {}, text = "") => {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  return node;
};
const html = (name, className = "", text = "") => {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
};
const percent = (share) => (share > 0 && share < 0.005 ? "<1" : `${Math.round(100 * share)}`);
const exact = (share) => `${Math.round(1000 * share) / 10}`;
const short = (value) => {
  for (const [limit, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= limit) return `${Number((value / limit).toPrecision(3))} ${unit}`;
  }
  return `${Math.round(value)}`;
};

class LiveMap {
  constructor(parent) {
    this.root = parent.querySelector(".map");
    this.seq = 0;
    this.answered = 0;
    this.width = 0;
    this.listen = () => this.hear(window.dimapFeed?.data);
    window.addEventListener("dimap-feed", this.listen);
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.root);
  }

  leave() {
    window.removeEventListener("dimap-feed", this.listen);
    this.observer.disconnect();
    clearTimeout(this.resting);
    clearTimeout(this.waiting);
  }

  set(component, data) {
    const fresh = !this.data || this.data.key !== data.key;
    this.component = component;
    this.data = data;
    if (fresh) this.state = null;
    this.build();
    if (data.cut) {
      this.state = data.cut;
      this.selected = data.cut.selected;
      this.build();
    } else this.listen();
  }

  fit() {
    const size = this.size();
    if (this.data && size !== this.width) this.build();
  }

  size() {
    const room = this.root.clientWidth;
    const found = this.data ? Object.keys(this.data.sizes).map(Number).sort((a, b) => b - a) : [];
    return found.find((width) => width <= room * 1.06) || found[found.length - 1];
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------

  build() {
    const { data } = this;
    this.width = this.size();
    this.geometry = data.sizes[this.width];
    this.rows = this.width < 500 && !data.low;
    const focus = this.root.getRootNode().activeElement;
    const key = focus && focus.dataset ? focus.dataset.key : "";
    this.root.replaceChildren();
    this.root.className = `map ${data.dark ? "dark" : "light"} ${this.rows ? "rows" : "columns"}`;
    this.strip = this.rows && data.sliders ? html("div", "strip") : null;
    if (this.strip) this.root.append(this.strip);
    this.tell();
    this.root.append(this.head());
    this.stageArea = html("div", "stages");
    this.stageArea.append(this.drawing());
    this.root.append(this.stageArea);
    this.sliders = data.sliders ? this.data.labels.stages.map((_, stage) => this.slider(stage)) : [];
    this.placeSliders();
    this.detail = html("p", "detail");
    this.root.append(this.detail);
    if (this.state) this.draw();
    if (key) this.root.querySelector(`[data-key="${key}"]`)?.focus();
  }

  // On a phone the numbers stay in sight, above the sliders that change them.
  tell(counts) {
    const { strip } = this, numbers = window.dimapFeed?.data?.numbers;
    if (!strip || !numbers) return;
    const [, macs, top1, change] = numbers;
    strip.replaceChildren();
    const left = counts ? counts.macs / macs.of : null;
    const lines = html("span");
    lines.append(html("b", "", change.value), html("span", "", " against dense"), html("br"));
    lines.append(html("b", "", left === null ? macs.below.split(" of ")[0] : `−${(100 * (1 - left)).toFixed(1)} %`));
    lines.append(html("span", "", " MACs"));
    strip.append(html("span", "value", top1.value), lines);
    strip.classList.toggle("moving", Boolean(counts));
  }

  head() {
    const { data } = this;
    const head = html("div", "head");
    this.finding = html("h2", "finding", this.state?.finding || data.finding || "");
    head.append(this.finding);
    const line = html("div", "line");
    const fill = this.fill();
    this.legend = html("span", "legend");
    this.legend.innerHTML = fill
      ? `<i class="ramp" style="background:linear-gradient(90deg, ${data.ramp[0]}, ${data.ramp[data.ramp.length - 1]})"></i>`
      : '<i class="box kept"></i>kept<i class="box gone"></i>gone';
    if (fill) this.legend.append(fill.most ? `0 to ${fill.most}` : "not measured");
    line.append(this.legend);
    const label = html("label", "by", "coloured by ");
    const select = html("select");
    select.dataset.key = "fill";
    for (const name of ["kept share", ...data.fills.map((one) => one.name)]) {
      const option = html("option", "", name);
      option.selected = name === this.fillName();
      select.append(option);
    }
    select.addEventListener("change", () => {
      window.dimapFill = select.value;
      this.build();
    });
    label.append(select);
    line.append(label);
    head.append(line);
    if (fill) head.append(html("p", "note", fill.note));
    if (data.sliders && !data.off && !window.dimapMoved) line.append(this.hint());
    return head;
  }

  hint() {
    const hint = html("p", "hint", "Try it: drag a handle, or press → on it.");
    const close = html("button", "close", "×");
    close.setAttribute("aria-label", "Close the hint");
    close.addEventListener("click", () => this.used());
    hint.append(close);
    return hint;
  }

  used() {
    window.dimapMoved = true;
    this.root.querySelector(".hint")?.remove();
  }

  fillName() {
    const known = this.data.fills.some((one) => one.name === window.dimapFill);
    return known ? window.dimapFill : "kept share";
  }

  fill() {
    return this.data.fills.find((one) => one.name === this.fillName());
  }

  drawing() {
    const { geometry, data } = this;
    const top = data.low ? 48 : this.rows ? 44 : 34;
    const picture = svg("svg", {
      viewBox: `0 ${top} ${geometry.width} ${geometry.height - top}`, class: "picture", "aria-hidden": "true",
    });
    this.scaleTop = top;
    if (geometry.mergings) picture.append(svg("path", { d: geometry.mergings, class: "merging" }));
    if (geometry.image) this.image(picture, geometry.image);
    this.blocks = geometry.blocks.map((block) => this.block(picture, block));
    this.bands = geometry.bands.map((band) => this.band(picture, band));
    this.frames = geometry.blocks.map(([, , , x, by, wide, high]) => {
      const frame = svg("rect", { x: x - 4, y: by - 4, width: wide + 8, height: high + 8, rx: 4, class: "frame" });
      picture.append(frame);
      return frame;
    });
    if (!this.rows) {
      geometry.stages.forEach((stage, place) => this.words(picture, stage, place));
      if (!data.low) this.names(picture);
    }
    return picture;
  }

  image(picture, [left, y, side]) {
    const [across, patches] = this.data.labels.image;
    const [x, line] = this.rows ? [left + side + 12, y + 22] : [left, y - 24];
    picture.append(svg("path", { d: this.geometry.grid, class: "grid" }));
    picture.append(svg("text", { x, y: line, class: "name small" }, across));
    picture.append(svg("text", { x, y: line + 16, class: "muted" }, patches));
  }

  block(picture, [stage, first, count, x, y, wide, high, label]) {
    const hit = svg("rect", { x, y, width: wide, height: high, class: "hit" });
    picture.append(hit);
    if (!this.rows) {
      picture.append(svg("text", { x: x + wide / 2, y: y + high + 15, class: "muted number" }, label));
    }
    this.grab(hit, stage, first);
    return { stage, first, count, x, wide };
  }

  band(picture, band) {
    const [x, y, wide, high] = band.at;
    const [fill, edge] = this.data.colors[band.module] || this.data.colors.other;
    const dash = high >= 9 ? "3 2.5" : "2 2";
    const gone = svg("rect", { x, y, height: high, width: 0, class: "gone", fill, stroke: edge, "stroke-dasharray": dash });
    const kept = svg("rect", { x, y, height: high, width: wide, class: "kept", fill, stroke: edge });
    if (!band.of.length) {
      kept.setAttribute("fill", "none");
      kept.setAttribute("stroke-dasharray", dash);
    }
    if (band.linear) kept.setAttribute("fill-opacity", "0.5");
    const by = this.fill();
    if (by) {
      const level = this.level(by, band);
      kept.setAttribute("fill", level === null ? "none" : this.data.ramp[level]);
      gone.setAttribute("fill", level === null ? "none" : this.data.ramp[level]);
      gone.classList.add("filled");
    }
    picture.append(gone, kept);
    return { ...band, gone, kept, x, wide };
  }

  level(by, band) {
    const known = band.of.map((place) => by.levels[place]).filter((level) => level !== null);
    return known.length ? Math.round(known.reduce((a, b) => a + b, 0) / known.length) : null;
  }

  words(picture, stage, place) {
    const name = `${this.data.labels.word} ${place + 1}`;
    const top = stage.y - 10 - 16 * stage.words.length;
    picture.append(svg("text", { x: stage.x, y: top, class: "name" }, name[0].toUpperCase() + name.slice(1)));
    stage.words.forEach((line, n) =>
      picture.append(svg("text", { x: stage.x, y: top + 16 * (n + 1), class: "muted" }, line)));
  }

  names(picture) {
    const last = this.geometry.blocks.length - 1;
    let above = 0;
    for (const { module, at: [x, y, wide, high], block } of this.geometry.bands) {
      if (block !== last) continue;
      const middle = y + high / 2, line = Math.max(middle + 4, above + 14);
      picture.append(svg("path", { d: `M${x + wide + 3} ${middle}L${x + wide + 9} ${line - 4}`, class: "lead" }));
      picture.append(svg("text", { x: x + wide + 12, y: line, class: "ink" }, this.data.labels.modules[module]));
      above = line;
    }
  }

  // ---- sliders -----------------------------------------------------------------------------------------------------

  slider(stage) {
    const all = stage === "all", word = this.data.labels.word;
    const name = all ? "All together" : `${word[0].toUpperCase()}${word.slice(1)} ${stage + 1}`;
    const box = html("div", "slider");
    const above = html("div", "above");
    const cut = html("b", "cut");
    if (this.rows) above.append(html("b", "", name));
    above.append(cut);
    const track = html("div", "track");
    const rest = html("div", "rest");
    const knob = html("div", "knob");
    knob.tabIndex = 0;
    knob.dataset.key = `knob-${stage}`;
    knob.setAttribute("role", "slider");
    knob.setAttribute("aria-label", all ? `All ${word}s` : name);
    knob.setAttribute("aria-valuemin", 0);
    if (this.data.off) knob.setAttribute("aria-disabled", "true");
    track.append(rest, knob);
    const below = html("div", "below"), left = html("span");
    below.append(left);
    box.append(above, track, below);
    const slider = { stage, box, track, rest, knob, cut, below, left };
    if (!this.data.off) {
      this.slide(slider);
      knob.addEventListener("keydown", (event) => this.key(event, slider));
    }
    return slider;
  }

  placeSliders() {
    if (!this.data.sliders) return;
    const { geometry } = this, { width } = geometry, row = html("div", "row");
    const high = geometry.height - this.scaleTop;
    this.sliders.forEach((slider, place) => {
      const stage = geometry.stages[place];
      if (this.rows) {
        slider.box.style.top = `${(100 * (stage.y - this.scaleTop)) / high}%`;
        slider.box.style.left = `${(100 * stage.x) / width}%`;
        slider.box.append(html("div", "below", stage.words.slice(2).join(", ")));
        this.stageArea.append(slider.box);
      } else {
        slider.box.style.left = `${(100 * stage.x) / width}%`;
        slider.box.style.width = `${(100 * (Math.max(stage.right - stage.x, Math.min(112, stage.room - 20)))) / width}%`;
        row.append(slider.box);
      }
    });
    if (!this.rows) {
      const first = geometry.stages[0], last = geometry.stages[geometry.stages.length - 1];
      const label = html("div", "rowname");
      label.append(html("b", "", "Cut"), html("span", "", `each ${this.data.labels.word}`));
      row.prepend(label);
      this.root.append(row);
      this.everything = this.slider("all");
      this.everything.box.style.left = `${(100 * first.x) / width}%`;
      this.everything.box.style.width = `${(100 * (Math.max(last.right, last.x + 112) - first.x)) / width}%`;
      const below = html("div", "row all");
      const name = html("div", "rowname");
      name.append(html("b", "", "Cut all"), html("span", "", "together"));
      below.append(name, this.everything.box);
      this.root.append(below);
    } else {
      this.everything = this.slider("all");
      const below = html("div", "row all");
      below.append(this.everything.box);
      this.root.append(below);
    }
    this.sliders.push(this.everything);
  }

  slide(slider) {
    const { track } = slider;
    let drag = "";
    const to = (event, final) => {
      const box = track.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      this.move(slider.stage, Math.round(100 * share) / 100, drag, final);
    };
    track.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      drag = `${Date.now()}`;
      track.setPointerCapture(event.pointerId);
      slider.knob.focus({ preventScroll: true });
      to(event, false);
      event.preventDefault();
    });
    track.addEventListener("pointermove", (event) => {
      if (track.hasPointerCapture(event.pointerId) && drag) to(event, false);
    });
    const end = (event) => {
      if (!drag) return;
      to(event, true);
      drag = "";
    };
    track.addEventListener("pointerup", end);
    track.addEventListener("pointercancel", () => {
      if (drag && this.state) this.move(slider.stage, this.value(slider.stage), drag, true);
      drag = "";
    });
  }

  grab(hit, stage, first) {
    let from = null, drag = "";
    hit.addEventListener("pointerdown", (event) => {
      if (event.button || !this.state) return;
      from = { x: event.clientX, share: this.value(stage) };
      hit.setPointerCapture(event.pointerId);
    });
    const share = (event) => {
      const picture = hit.ownerSVGElement.getBoundingClientRect();
      const across = (hit.getBBox().width * picture.width) / this.geometry.width;
      return Math.round(100 * (from.share + (event.clientX - from.x) / Math.max(across, 60))) / 100;
    };
    hit.addEventListener("pointermove", (event) => {
      if (!from || !this.data.sliders || this.data.off) return;
      if (!drag && Math.abs(event.clientX - from.x) > GRAB) drag = `${Date.now()}`;
      if (drag) this.move(stage, share(event), drag, false);
    });
    hit.addEventListener("pointerup", (event) => {
      if (!from) return;
      if (drag) this.move(stage, share(event), drag, true);
      else this.select(stage, first);
      from = null;
      drag = "";
    });
  }

  key(event, slider) {
    const step = event.shiftKey ? FINE : STEP, now = Math.round(100 * this.value(slider.stage));
    const to = {
      ArrowRight: now + step, ArrowUp: now + step, ArrowLeft: now - step, ArrowDown: now - step,
      PageUp: now + LEAP, PageDown: now - LEAP, Home: 0, End: MOST,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!this.keys || this.keys.slider !== slider.stage) this.keys = { slider: slider.stage, drag: `${Date.now()}` };
    this.move(slider.stage, to / 100, this.keys.drag, false);
    clearTimeout(this.keys.timer);
    const { drag } = this.keys;
    this.keys.timer = setTimeout(() => {
      this.keys = null;
      this.move(slider.stage, this.value(slider.stage), drag, true);
    }, 300);
  }

  select(stage, block) {
    this.component.setTriggerValue("selected", { stage, block });
    this.selected = { stage, block };
    this.mark();
  }

  // ---- state -------------------------------------------------------------------------------------------------------

  value(stage) {
    return stage === "all" ? this.state.all : this.state.ratios[stage];
  }

  move(stage, share, drag, final) {
    const { state, data } = this;
    if (!state || data.off) return;
    this.used();
    const most = stage === "all" ? Math.min(...(state.own ? data.each.most : data.all.most)) : data.each.most[stage];
    const to = Math.max(0, Math.min(share, most / 100));
    if (stage !== "all") {
      state.own = true;
      state.ratios = state.ratios.map((ratio, place) => (place === stage ? to : ratio));
    } else if (state.own) {
      if (this.base?.drag !== drag) this.base = { drag, ratios: [...state.ratios] };
      state.ratios = this.scaled(this.base.ratios, to);
    } else {
      state.all = to;
    }
    this.count();
    this.draw();
    this.announce();
    this.pending = { drag, final, stage };
    this.send();
    clearTimeout(this.resting);
    if (final) this.resting = setTimeout(() => this.rest(), REST);
  }

  // The page around is drawn anew; nobody else may ask for anything meanwhile (see answer.js).
  rest() {
    window.dispatchEvent(new CustomEvent("dimap-rest"));
    this.component.setTriggerValue("rest", this.seq);
  }

  // All stages at once: what is kept (going down) or gone (going up) is scaled alike, so that their total is `to`.
  scaled(ratios, to) {
    const { size, each } = this.data;
    const whole = size.reduce((a, b) => a + b, 0);
    const now = ratios.reduce((sum, ratio, place) => sum + ratio * size[place], 0) / whole;
    return ratios.map((ratio, place) => {
      const next = to >= now ? 1 - ((1 - ratio) * (1 - to)) / (1 - now) : (ratio * to) / now;
      return Math.max(0, Math.min(Math.round(1000 * next) / 1000, each.most[place] / 100));
    });
  }

  // Counts of what the sliders say, from the tables; between two steps by a straight line.
  count() {
    const { state, data } = this;
    const { stage: bands } = data.bands;
    if (state.own) {
      const at = state.ratios.map((ratio) => 100 * ratio);
      state.kept = bands.map((stage, band) => read(data.each.kept, at[stage], band) / 1000);
      for (const what of ["left", "params", "macs"]) {
        state[what] = at.map((step, stage) => Math.round(read(data.each[what], step, stage)));
      }
      const size = data.size.reduce((a, b) => a + b, 0);
      state.all = state.ratios.reduce((sum, ratio, place) => sum + ratio * data.size[place], 0) / size;
    } else {
      const step = 100 * state.all;
      state.kept = bands.map((_, band) => read(data.all.kept, step, band) / 1000);
      state.ratios = data.labels.stages.map((_, stage) => read(data.all.share, step, stage) / 1000);
      for (const what of ["left", "params", "macs"]) {
        state[what] = data.labels.stages.map((_, stage) => Math.round(read(data.all[what], step, stage)));
      }
    }
  }

  announce() {
    const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
    const { rest } = this.data;
    const counts = { params: rest.params + sum(this.state.params), macs: rest.macs + sum(this.state.macs) };
    window.dispatchEvent(new CustomEvent("dimap-counts", { detail: counts }));
    this.tell(counts);
  }

  send() {
    if (!this.pending) return;
    const now = Date.now(), open = this.seq !== this.answered && now - this.sent < PATIENCE;
    const wait = open ? PATIENCE - (now - this.sent) : this.pending.final ? 0 : PACE - (now - (this.sent || 0));
    clearTimeout(this.waiting);
    if (wait > 0) {
      this.waiting = setTimeout(() => this.send(), wait);
      return;
    }
    const { drag, final } = this.pending, { state } = this;
    this.pending = null;
    this.sent = now;
    this.seq = now;
    const what = state.own ? { stages: state.ratios } : { all: state.all };
    this.component.setStateValue("move", { seq: this.seq, drag, final, ...what });
  }

  hear(answer) {
    if (!answer?.cut || !this.data || answer.key !== this.data.key) return;
    const foreign = !this.state || answer.epoch !== this.epoch;
    if (!foreign && answer.seq < this.seq) return; // of an earlier move
    this.answered = Math.max(this.answered, answer.seq);
    this.tell();
    if (foreign || !this.pending) {
      this.epoch = answer.epoch;
      const { own, ratios, all, kept, left, params, macs, finding } = answer.cut;
      this.state = { own, ratios, all, kept, left, params, macs, finding };
      if (foreign) this.pending = null;
      this.selected = answer.cut.selected;
      this.finding.textContent = finding;
      this.draw();
    }
    this.send();
  }

  draw() {
    const { state, data } = this;
    for (const band of this.bands) {
      const size = band.weights.reduce((a, b) => a + b, 0);
      const kept = size ? band.of.reduce((sum, place, n) => sum + state.kept[place] * band.weights[n], 0) / size : 1;
      const gone = band.wide * (1 - kept);
      band.gone.setAttribute("width", gone.toFixed(2));
      band.gone.style.display = gone > 0.01 ? "" : "none";
      band.kept.setAttribute("x", (band.x + gone).toFixed(2));
      band.kept.setAttribute("width", Math.max(0, band.wide - gone).toFixed(2));
      band.kept.style.display = kept > 0 ? "" : "none";
    }
    const whole = data.size.reduce((a, b) => a + b, 0), left = state.left.reduce((a, b) => a + b, 0);
    for (const slider of this.sliders) {
      const all = slider.stage === "all", share = this.value(slider.stage);
      slider.knob.style.left = `${100 * share}%`;
      slider.rest.style.left = `${100 * share}%`;
      slider.cut.textContent = `${exact(share)} % cut`;
      const kept = all ? [left, whole] : [state.left[slider.stage], data.size[slider.stage]];
      slider.left.textContent = `${short(kept[0])} of ${short(kept[1])} left`;
      slider.knob.setAttribute("aria-valuemax", (all ? Math.min(...data.all.most) : data.each.most[slider.stage]) || MOST);
      slider.knob.setAttribute("aria-valuenow", Math.round(100 * share));
      slider.knob.setAttribute("aria-valuetext",
        `${exact(share)} percent cut, ${short(kept[0])} of ${short(kept[1])} weights left`);
    }
    this.mark();
  }

  mark() {
    const chosen = this.selected;
    this.geometry.blocks.forEach(([stage, first, count], place) => {
      const hit = chosen && chosen.stage === stage
        && (chosen.block === null || (chosen.block >= first && chosen.block < first + count));
      this.frames[place].classList.toggle("on", Boolean(hit));
    });
    this.detail.textContent = this.data.low ? "" : this.words_of(chosen);
  }

  words_of(chosen) {
    if (!chosen || chosen.stage === null || chosen.block === null || !this.state) return "";
    const { stage, block } = chosen, { bands, labels } = this.data;
    const word = labels.word[0].toUpperCase() + labels.word.slice(1), heads = labels.heads[stage]?.[block];
    const kept = bands.name
      .map((name, place) => [name, place])
      .filter(([, place]) => bands.stage[place] === stage && bands.block[place] === block)
      .map(([name, place]) => `${labels.modules[name]} ${percent(this.state.kept[place])} %`);
    return `${word} ${stage + 1}, block ${block + 1}: ${kept.join(", ")} kept${heads ? `; ${heads} heads` : ""}.`;
  }
}

function read(table, step, column) {
  const low = Math.floor(step + 1e-9), high = Math.min(low + 1, table.length - 1);
  const part = Math.min(1, Math.max(0, step - low));
  return part < 1e-6 ? table[low][column] : table[low][column] * (1 - part) + table[high][column] * part;
}
