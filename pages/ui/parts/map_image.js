// The map's ends: the image with its patch grid at the left, what both models say of it at the right, or where the last
// stage leaves no room there, above the image.

const ANSWER = { wide: 190, high: 92, narrow: 96, letters: [16, 12] }; // px; letters of a class's name

export class MapImage {
  image(picture, [left, y, side]) {
    const [across, patches] = this.data.labels.image;
    this.at = { left, y, side };
    this.photo = svg("image", { x: left, y, width: side, height: side, class: "photo", preserveAspectRatio: "none" });
    this.grid = svg("path", { d: this.geometry.grid, class: "grid" });
    this.answered = svg("g", { class: "answered" });
    const [x, line] = this.rows ? [left + side + 12, y + side - 4] : [left, y - 24];
    const words = this.rows ? [`${across}, ${patches}`] : [across, patches];
    this.caption = words.map((text, n) =>
      svg("text", { x, y: line + 16 * n, class: n || this.rows ? "muted" : "name small" }, text));
    picture.append(this.photo, this.grid, ...this.caption, this.answered);
    this.said = html("p", "unseen");
    this.picture();
  }

  // What the newest answer brought; an older cut's stays, paler, until the new one's is there.
  picture() {
    const shown = this.data.low ? null : this.shown;
    if (!this.photo) return;
    this.photo.style.display = shown ? "" : "none";
    this.grid.classList.toggle("over", Boolean(shown));
    this.answered.replaceChildren();
    this.said.textContent = "";
    if (!shown) return;
    if (this.photo.getAttribute("href") !== shown.picture) this.photo.setAttribute("href", shown.picture);
    this.answered.classList.toggle("old", shown.old);
    const [[dense, share]] = shown.dense, top = shown.pruned.map(([name, part]) => `${name} ${percent(part)} %`);
    this.said.textContent = `Image ${shown.number}: this cut answers ${top.join(", ")}; the dense model ${dense} ${percent(share)} %.`;
    if (this.rows) this.inRow(shown);
    else this.beside(shown);
  }

  inRow({ pruned: [[name, share]], dense: [[before, sure]] }) {
    const { left, y, side } = this.at, x = left + side + 12;
    const first = svg("text", { x, y: y + 12, class: "name small" }, `Answer: ${cropped(name, 20)}, `);
    first.append(svg("tspan", { class: "muted" }, `${percent(share)} %`));
    this.answered.append(first, svg("text", { x, y: y + 28, class: "muted" }, `dense: ${cropped(before, 20)}, ${percent(sure)} %`));
  }

  beside({ pruned, dense: [[before, sure]] }) {
    const { stages, width } = this.geometry, last = stages[stages.length - 1];
    const free = last.y - 26 - 16 * last.words.length - this.scaleTop;
    if (free >= ANSWER.high) {
      const x = width - ANSWER.wide - 4, y = this.scaleTop + 26;
      this.title(x, y, ["Its answer", `dense: ${cropped(before, ANSWER.letters[0])}, ${percent(sure)} %`]);
      pruned.forEach(([name, share], n) => {
        this.row(x, y + 38 + 17 * n, cropped(name, ANSWER.letters[0]), !n);
        this.bar(x + 104, y + 29 + 17 * n, 46, share, !n);
        this.answered.append(svg("text", { x: x + ANSWER.wide, y: y + 38 + 17 * n, class: "muted end" }, `${percent(share)} %`));
      });
      return;
    }
    const { left: x } = this.at, y = this.at.y - 186;
    this.title(x, y, ["Its answer", "dense model:", `${cropped(before, ANSWER.letters[1])}, ${percent(sure)} %`]);
    pruned.forEach(([name, share], n) => {
      this.row(x, y + 56 + 31 * n, cropped(name, ANSWER.letters[1]), !n);
      this.bar(x, y + 63 + 31 * n, 56, share, !n);
      this.answered.append(svg("text", { x: x + ANSWER.narrow, y: y + 70 + 31 * n, class: "muted end" }, `${percent(share)} %`));
    });
  }

  title(x, y, lines) {
    lines.forEach((line, n) => this.answered.append(svg("text", { x, y: y + 16 * n, class: n ? "muted" : "name small" }, line)));
  }

  row(x, y, name, first) {
    this.answered.append(svg("text", { x, y, class: first ? "name small" : "small" }, name));
  }

  bar(x, y, wide, share, first) {
    this.answered.append(svg("rect", { x, y, width: wide, height: 8, rx: 3, class: "bar" }));
    this.answered.append(svg("rect", { x, y, width: Math.max(2, wide * share), height: 8, rx: 3, class: first ? "bar first" : "bar other" }));
  }
}

const cropped = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
