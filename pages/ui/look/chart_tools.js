// The row under a chart: walk through its points by arrow keys, enlarge, save, read as a table.

const scene = (told) => document.querySelector(`.st-key-${told.key.trim().replaceAll(/[^a-zA-Z0-9_-]/g, "-")}`);
const plotIn = (told) => scene(told)?.querySelector(".js-plotly-plot");
const data = (told) => told.table ?? (plotIn(told) ? table(plotIn(told)) : { columns: [], rows: [] });

function openTable(root, told) {
  const found = data(told);
  const dialog = root.querySelector("dialog");
  const heads = found.columns.map((name) => `<th scope="col">${escaped(String(name))}</th>`).join("");
  const body = found.rows.map((row) => `<tr>${row.map((value) => `<td>${escaped(String(value))}</td>`).join("")}</tr>`);
  dialog.setAttribute("aria-label", `Table: ${told.title}`);
  dialog.innerHTML = `<div class="bar"><button data-do="csv">Save as CSV</button><button data-do="close">Close</button></div>
    <div class="scroll" tabindex="0" role="region" aria-label="Values"><table><caption>${escaped(told.title)}</caption>
    <thead><tr>${heads}</tr></thead><tbody>${body.join("")}</tbody></table></div>`;
  dialog.showModal();
}

// The place that the walk has come to: a ring on the chart, its words beside it and as the slider's value.
function show(root, told, place) {
  const slider = root.querySelector(".points");
  const plot = plotIn(told);
  const found = plot ? readings(plot) : [];
  if (!found.length) return;
  root.place = Math.min(Math.max(place, 0), found.length - 1);
  const { left, top, said } = found[root.place];
  slider.setAttribute("aria-valuemax", found.length);
  slider.setAttribute("aria-valuenow", root.place + 1);
  slider.setAttribute("aria-valuetext", said);
  const from = plot.getBoundingClientRect();
  const to = root.querySelector(".row").getBoundingClientRect();
  const ring = root.querySelector(".ring");
  const tip = root.querySelector(".tip");
  const [x, y] = [from.x - to.x + left, from.y - to.y + top];
  ring.style.transform = `translate(${x}px, ${y}px)`;
  tip.textContent = said;
  root.querySelector(".walk").classList.add("on");
  const most = Math.max(0, to.width - tip.offsetWidth);
  const up = y - tip.offsetHeight - 14;
  tip.style.transform = `translate(${Math.min(Math.max(x - tip.offsetWidth / 2, 0), most)}px, ${from.y - to.y > up ? y + 14 : up}px)`;
}

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 };

export default function ({ parentElement: root, data: told, setTriggerValue }) {
  const slider = root.querySelector(".points");
  root.querySelector(".tools").style.setProperty("--quiet", INKS.muted[told.dark ? 1 : 0]);
  const act = {
    enlarge: () => setTriggerValue("enlarge", told.key),
    png: () => savePng(picture(scene(told), told, INKS), told.file),
    svg: () => saveSvg(picture(scene(told), told, INKS), told.file),
    table: () => openTable(root, told),
    csv: () => saveCsv(data(told), told.file),
    close: () => root.querySelector("dialog").close(),
  };
  root.querySelector(".tools").onclick = (event) => act[event.target.closest("button")?.dataset.do]?.();
  root.querySelector("[data-do=enlarge]").hidden = !told.large;
  root.querySelectorAll("[data-do]").forEach((button) => {
    if (!button.closest("dialog")) button.setAttribute("aria-label", `${button.textContent}: ${told.title}`);
  });
  slider.hidden = !told.walk;
  slider.setAttribute("aria-label", `Points of the chart: ${told.title}`);
  slider.onfocus = () => slider.matches(":focus-visible") && show(root, told, root.place ?? 0);
  slider.onblur = () => root.querySelector(".walk").classList.remove("on");
  slider.onclick = (event) => {
    const box = slider.getBoundingClientRect();
    const back = event.clientX < box.x + box.width / 2;
    show(root, told, root.place === undefined ? 0 : root.place + (back ? -1 : 1));
  };
  slider.onkeydown = (event) => {
    if (event.key in STEPS) show(root, told, (root.place ?? 0) + STEPS[event.key]);
    else return;
    event.preventDefault();
  };
}
