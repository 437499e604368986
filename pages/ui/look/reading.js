// What a plotly chart tells, point by point: in words as its hover labels say them, and as a table.

const ROWS = 5000; // points of a trace that a table may have; a walk has `MOST`

// Numbers as d3's format writes them, as far as our labels ask: "+.1f", ",", ".3g", "+d".
function written(value, format) {
  if (typeof value !== "number" || !format) return String(value ?? "");
  const [, sign, comma, digits, kind] = /^(\+?)(,?)(?:\.(\d+))?([fgd]?)$/.exec(format) ?? [];
  let text = String(value);
  if (kind === "f" || kind === "d") text = Math.abs(value).toFixed(digits ?? 0);
  else if (kind === "g") text = String(+Math.abs(value).toPrecision(digits ?? 6));
  else text = String(Math.abs(value));
  if (comma) text = text.replace(/^\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));
  return (value < 0 ? "−" : sign && value >= 0 ? "+" : "") + text;
}

const plain = (html) => String(html).replace(/<br>/g, ", ").replace(/<[^>]*>/g, "").trim();

function words(template, point) {
  const extra = /<extra>(.*?)<\/extra>/.exec(template)?.[1] ?? "";
  const filled = template.replace(/<extra>.*?<\/extra>/, "").replace(
    /%\{(\w+)(?:\[(\d+)\])?(?::([^}]+))?\}/g,
    (_, name, place, format) => written(place === undefined ? point[name] : point[name]?.[place], format),
  );
  return plain((extra ? `${extra}: ` : "") + filled);
}

const at = (values, i) => (Array.isArray(values) || ArrayBuffer.isView(values) ? values[i] : values);

// One trace as points {x, y, text, customdata, z}: a heatmap cell by cell, anything else place by place.
function placed(trace) {
  if (trace.type !== "heatmap") {
    return Array.from(trace.x ?? [], (x, i) => ({
      x, y: at(trace.y, i), text: at(trace.text, i), customdata: at(trace.customdata, i),
    })).filter((point) => point.x !== null && point.y !== null);
  }
  const middle = (values, i, size) => {
    if (!values) return i;
    return values.length > size ? (values[i] + values[i + 1]) / 2 : values[i];
  };
  return Array.from(trace.z, (row, j) => Array.from(row, (z, i) => ({
    x: middle(trace.x, i, row.length), y: middle(trace.y, j, trace.z.length), z,
    text: at(at(trace.text, j), i), customdata: at(at(trace.customdata, j), i),
  }))).flat().filter((point) => point.z !== null && !Number.isNaN(point.z));
}

// All points that have words, in the order of drawing; those of one trace with the same words count once.
export function readings(plot, most = MOST) {
  const { _fullData: traces = [], _fullLayout: layout } = plot;
  const found = [];
  for (const trace of traces) {
    if (trace.visible !== true || trace.hoverinfo === "skip" || !trace.hovertemplate) continue;
    const points = placed(trace);
    const known = new Set();
    if (points.length > most) continue;
    const axes = ["x", "y"].map((letter) => layout[(trace[`${letter}axis`] ?? letter).replace(/^([xy])/, "$1axis")]);
    for (const point of points) {
      const said = words(at(trace.hovertemplate, 0).length > 1 ? at(trace.hovertemplate, 0) : trace.hovertemplate, point);
      if (!said || known.has(said)) continue;
      known.add(said);
      const [left, top] = axes.map((axis, k) => axis._offset + axis.d2p(k ? point.y : point.x));
      found.push({ left, top, said, axes, point });
    }
  }
  return found;
}

const named = (axis) => {
  const text = plain(axis.title?.text ?? "");
  return /^Click to enter/.test(text) ? "" : text; // plotly's own placeholder
};
function shown(axis, value) {
  const place = Array.from(axis.tickvals ?? []).findIndex((tick) => Math.abs(tick - value) < 1e-9);
  const label = place >= 0 ? axis.ticktext?.[place] : undefined;
  return label !== undefined ? plain(label) : typeof value === "number" ? +value.toPrecision(6) : value;
}

// Columns and rows of what the chart shows, where its page gives no better table. An axis without a name or labels is
// only a place.
export function table(plot) {
  const found = readings(plot, ROWS);
  const cells = found[0]?.point.z !== undefined;
  const place = (axis, k) => (cells ? ["column", "row"][k] : axis.ticktext ? "part" : "");
  const axes = (found[0]?.axes ?? []).map((axis, k) => [k ? "y" : "x", k, named(axis) || place(axis, k)]);
  const used = axes.filter(([, , name]) => name);
  return {
    columns: [...used.map(([, , name]) => name), "in words"],
    rows: found.map(({ axes: own, point, said }) => [...used.map(([letter, k]) => shown(own[k], point[letter])), said]),
  };
}
