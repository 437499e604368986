// The image in its patches: a click follows a patch, arrow keys move by one. The frame moves at once, the server hears
// of it when the keys rest. Drawn again only where the server has news.
const SVG = "http://www.w3.org/2000/svg", REST = 180, LINES = 20;

function add(parent, name, attributes) {
  const made = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function cell(parent, attributes) {
  return add(parent, "rect", { width: 1, height: 1, "vector-effect": "non-scaling-stroke", ...attributes });
}

function build(list, box) {
  const { picture, rows, columns } = box.data, svg = list.querySelector("svg");
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
  // Looks are attributes: a saved picture has no style sheet.
  const pixels = getComputedStyle(list).getPropertyValue("--pixels").trim() || "auto";
  const whole = { class: "photo", width: columns, height: rows, preserveAspectRatio: "none", "image-rendering": pixels };
  add(svg, "image", { href: picture, ...whole });
  if (Math.max(rows, columns) <= LINES) {
    let path = "";
    for (let column = 1; column < columns; column++) path += `M${column} 0V${rows}`;
    for (let row = 1; row < rows; row++) path += `M0 ${row}H${columns}`;
    const thin = { stroke: "#000", "stroke-opacity": 0.3, "stroke-width": 1, "vector-effect": "non-scaling-stroke" };
    add(svg, "path", { d: path, fill: "none", ...thin });
  }
  const light = { fill: "#fff", "fill-opacity": 0.25, stroke: "#fff", "stroke-width": 2, "pointer-events": "none" };
  box.hover = cell(svg, { class: "hover", ...light });
  box.frame = cell(svg, { fill: "none", stroke: "#D55E00", "stroke-width": 3 });
}

function place(rect, at) {
  rect.style.display = at ? "" : "none";
  if (at) { rect.setAttribute("y", at[0]); rect.setAttribute("x", at[1]); }
}

function show(list, box) {
  const { rows, columns, before } = box.data, at = box.at, option = list.querySelector("[role=option]");
  place(box.frame, at);
  option.textContent = at ? `Patch in row ${at[0] + 1}, column ${at[1] + 1}` : before;
  option.setAttribute("aria-setsize", rows * columns);
  option.setAttribute("aria-posinset", at ? at[0] * columns + at[1] + 1 : 1);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector(".patches");
  const box = (list.box ??= {});
  const fresh = !box.data, changed = fresh || box.data.picture !== data.picture || box.data.rows !== data.rows
    || box.data.columns !== data.columns;
  box.data = data;
  box.send = setTriggerValue;
  list.setAttribute("aria-label", data.label);
  if (changed) build(list, box);
  if (!box.waiting) box.at = data.token;
  show(list, box);
  place(box.hover, null);
  if (!fresh) return;

  const choose = (row, column, rest) => {
    const within = (at, most) => Math.min(Math.max(at, 0), most - 1);
    box.at = [within(row, box.data.rows), within(column, box.data.columns)];
    show(list, box);
    clearTimeout(box.waiting);
    box.waiting = setTimeout(() => { box.waiting = 0; box.send("token", box.at); }, rest);
  };
  const under = (event) => {
    const { left, top, width, height } = list.querySelector("svg").getBoundingClientRect();
    const { rows, columns } = box.data;
    return [Math.floor((event.clientY - top) / height * rows), Math.floor((event.clientX - left) / width * columns)];
  };
  const inside = ([row, column]) => row >= 0 && column >= 0 && row < box.data.rows && column < box.data.columns;
  list.addEventListener("click", (event) => choose(...under(event), 0));
  list.addEventListener("pointermove", (event) => place(box.hover, inside(under(event)) ? under(event) : null));
  list.addEventListener("pointerleave", () => place(box.hover, null));
  list.addEventListener("keydown", (event) => {
    const { rows, columns } = box.data, start = box.at ?? [Math.floor(rows / 2), Math.floor(columns / 2)];
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
      PageUp: [-4, 0], PageDown: [4, 0], Home: [0, -columns], End: [0, columns] };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    choose(box.at ? start[0] + move[0] : start[0], box.at ? start[1] + move[1] : start[1], REST);
  });
}
