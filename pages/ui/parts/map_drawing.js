// The map as SVG and words: blocks, bands, stages, and on a phone the numbers above them. One script with map_image.js,
// which comes before, and map_sliders.js and live_map.js, which follow.

const LEAST_HEAD = 3; // px of a head's square

// The largest squares, up to 9 px, of which so many fit into a rectangle.
const packed = (count, wide, high) => {
  let best = { side: -1, columns: 1, rows: 1 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns), side = Math.min(9, wide / columns - 2, high / rows - 2);
    if (side > best.side) best = { side, columns, rows };
  }
  return best;
};

export class MapDrawing extends MapImage {
  build() {
    const { data } = this;
    this.width = this.size();
    const places = data.sizes[this.width];
    this.groups = places.opened; // by stage: the places when its blocks are not drawn as one
    this.geometry = this.groups[this.open] ?? places;
    this.rows = this.width < 500 && !data.low;
    const focus = this.root.getRootNode().activeElement;
    const key = focus && focus.dataset ? focus.dataset.key : "";
    this.root.replaceChildren();
    this.root.className = `map ${data.dark ? "dark" : "light"} ${data.low ? "low" : this.rows ? "rows" : "columns"}`;
    this.strip = this.rows && data.sliders ? html("div", "strip") : null;
    if (this.strip) this.root.append(this.strip);
    this.tell();
    this.root.append(this.head());
    this.stageArea = html("div", "stages");
    this.stageArea.append(this.drawing());
    this.root.append(this.stageArea);
    if (this.said) this.root.append(this.said);
    this.sliders = data.sliders ? this.data.labels.stages.map((_, stage) => this.slider(stage)) : [];
    this.placeSliders();
    this.root.append(this.list(), this.reading());
    this.detail = html("p", "detail");
    this.root.append(this.detail);
    if (this.state) this.draw();
    if (key) this.root.querySelector(`[data-key="${key}"]`)?.focus();
  }

  // On a phone the numbers stay in sight, above the sliders that change them.
  tell(counts) {
    const { strip } = this, numbers = heard()?.data?.numbers;
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
    const long = data.labels.word.length > 5; // "block group" against "stage"
    this.finding = html("h2", `finding${long ? " long" : ""}`, this.state?.finding || data.finding || "");
    head.append(this.finding);
    return head;
  }

  // How the drawing is to be read: below the head on screen, after the sliders for a keyboard.
  reading() {
    const { data } = this, reading = html("div", "head reading"), line = html("div", "line");
    const fill = this.fill();
    this.legend = html("span", "legend");
    const [kept, gone] = ["kept", data.smaller ? "taken out" : "gone"].map(said);
    this.legend.innerHTML = fill
      ? `<i class="ramp" style="background:linear-gradient(90deg, ${data.ramp[0]}, ${data.ramp[data.ramp.length - 1]})"></i>`
      : `<i class="box kept"></i>${kept}<i class="box gone${data.smaller ? " was" : ""}"></i>${gone}`;
    if (fill) this.legend.append(fill.most ? `0 to ${fill.most}` : "not measured");
    line.append(this.legend);
    const label = html("label", "by");
    label.append(html("span", "", "coloured by "));
    const select = html("select");
    select.dataset.key = "fill";
    select.setAttribute("aria-label", "Coloured by"); // on a phone the words before it are not drawn
    select.disabled = Boolean(data.waiting);
    for (const name of ["kept share", ...data.fills.map((one) => one.name)]) {
      const option = html("option", "", name);
      option.value = name;
      option.selected = name === this.fillName();
      select.append(option);
    }
    select.addEventListener("change", () => {
      window.dimapFill = select.value;
      this.build();
    });
    label.append(select);
    line.append(label);
    reading.append(line);
    if (fill) reading.append(html("p", "note", fill.note));
    if (data.waiting) line.append(html("p", "hint", "Precomputed; the model is opening …"));
    else if (data.sliders && !data.off) line.append(this.hint());
    return reading;
  }

  hint() {
    const hint = html("p", `hint${window.dimapMoved ? " used" : ""}`, "Drag a handle, or press → on it.");
    const close = html("button", "close", "×");
    close.setAttribute("aria-label", "Close the hint");
    close.addEventListener("click", () => this.used());
    hint.append(close);
    return hint;
  }

  used() {
    window.dimapMoved = true;
    this.root.querySelector(".hint")?.classList.add("used"); // its room stays
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
    this.photo = this.said = null;
    if (geometry.image) this.image(picture, geometry.image);
    this.blocks = geometry.blocks.map((block) => this.block(picture, block));
    this.was = geometry.blocks.map(([, , , x, y, wide, high]) => {
      const rect = svg("rect", { x, y, width: wide, height: high, class: "was", "stroke-dasharray": "3 2.5" });
      picture.append(rect);
      return rect;
    });
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

  block(picture, [stage, first, count, x, y, wide, high, label]) {
    const hit = svg("rect", { x, y, width: wide, height: high, class: "hit" });
    if (this.groups[stage]) hit.append(svg("title", {}, this.open === stage ? "" : `${count} blocks drawn as one: a click opens`));
    picture.append(hit);
    const kind = count > 1 ? "action number" : "muted number";
    const number = svg("text", { x: x + wide / 2, y: y + high + 15, class: kind }, label);
    if (!this.rows) picture.append(number);
    this.grab(hit, stage, first);
    return { stage, first, count, label, number };
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
    return { ...band, gone, kept, x, wide, squares: by ? [] : this.squares(picture, band) };
  }

  // Heads as squares in QKV's band, where structures go and one block's have room.
  squares(picture, { heads: count, at: [, , wide, high] }) {
    if (!this.data.smaller || !count || packed(count, wide, high).side < LEAST_HEAD) return [];
    return Array.from({ length: count }, () => {
      const head = svg("rect", { class: "square", "stroke-dasharray": "2 2" });
      picture.append(head);
      return head;
    });
  }

  // Those that went stand left, dashed; a head that lost dimensions is smaller.
  heads({ squares, of, at: [x, y, wide, high] }, gone) {
    if (!squares.length) return;
    const { stage, block } = this.data.bands;
    const left = this.state.heads?.[stage[of[0]]][block[of[0]]] ?? squares.length, lost = squares.length - left;
    squares.forEach((head, place) => {
      const out = place < lost, [from, across] = out ? [x, gone] : [x + gone, wide - gone];
      const { side, columns, rows } = packed(out ? lost : left, across, high), at = out ? place : place - lost;
      const [column, row] = [at % columns, Math.floor(at / columns)];
      head.style.display = side < LEAST_HEAD / 2 ? "none" : "";
      const places = {
        x: from + (across / columns) * (column + 0.5) - side / 2, y: y + (high / rows) * (row + 0.5) - side / 2,
        width: side, height: side,
      };
      for (const [name, value] of Object.entries(places)) head.setAttribute(name, Math.max(0, value).toFixed(2));
      head.classList.toggle("lost", out);
    });
  }

  level(by, band) {
    const known = band.of.map((place) => by.levels[place]).filter((level) => level !== null);
    return known.length ? Math.round(known.reduce((a, b) => a + b, 0) / known.length) : null;
  }

  words(picture, stage, place) {
    const name = `${this.data.labels.word} ${place + 1}`;
    const top = stage.y - 10 - 16 * stage.words.length;
    const title = svg("text", { x: stage.x, y: top, class: "name" }, name[0].toUpperCase() + name.slice(1));
    if (this.groups[place]) {
      const way = svg("tspan", { dx: 8, class: "action way" }, this.open === place ? "close" : "open");
      way.addEventListener("click", () => this.unfold(this.open === place ? null : place));
      title.append(way);
    }
    picture.append(title);
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
}
