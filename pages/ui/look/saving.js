// A chart as one SVG with its title, what has to be known of it and its source; as a PNG of twice the size.
// Nothing leaves the browser, and no request is made but for the page's own font.

const PAD = 24;
const FAMILY = "Source Sans, Source Sans Pro, Helvetica, Arial, sans-serif";
const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function lines(text, size, weight, width) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${weight} ${size}px ${FAMILY}`;
  const rows = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const longer = rows.length ? `${rows.at(-1)} ${word}` : word;
    if (rows.length && pen.measureText(longer).width <= width) rows[rows.length - 1] = longer;
    else rows.push(word);
  }
  return rows;
}

// The drawn layers of what lies in `place`: plotly's main SVGs, and what is marked as `saved`.
function layers(place) {
  const found = [...place.querySelectorAll(".js-plotly-plot .svg-container > svg.main-svg, .saved svg")];
  const plots = found.filter((node) => node.getBoundingClientRect().width);  // others wait for another width
  const reach = plots.map((node) => node.getBoundingClientRect());
  const box = { x: Math.min(...reach.map((part) => part.x)), y: Math.min(...reach.map((part) => part.y)) };
  const drawn = plots.map((node) => {
    const part = node.getBoundingClientRect();
    const svg = node.cloneNode(true);
    svg.querySelectorAll(".hoverlayer, .cursor-pointer > title").forEach((inner) => inner.replaceChildren());
    svg.querySelectorAll(".hover").forEach((inner) => inner.remove());
    svg.removeAttribute("style");
    const sizes = { x: part.x - box.x, y: part.y - box.y, width: part.width, height: part.height };
    for (const [name, value] of Object.entries(sizes)) svg.setAttribute(name, value.toFixed(2));
    return new XMLSerializer().serializeToString(svg);
  });
  return {
    drawn: drawn.join(""),
    width: Math.max(...reach.map((part) => part.right)) - box.x,
    height: Math.max(...reach.map((part) => part.bottom)) - box.y,
  };
}

// Dark colours become those of the light theme; where they are pixels they cannot, and it stays dark. Photos are as they are.
const PIXELS = /<image(?![^>]*class="photo")/;
function lightened(svg, dark, pairs) {
  if (!dark || PIXELS.test(svg)) return svg;
  return pairs.reduce((text, [from, to]) => {
    const [[r, g, b], light] = [from, to].map((color) => [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16)));
    return text.replaceAll(from, to).replaceAll(new RegExp(`(rgba?\\()${r}, ?${g}, ?${b}(?=[,)])`, "g"), `$1${light.join(", ")}`);
  }, svg);
}

export function picture(place, told, inks) {
  const { drawn, width, height } = layers(place);
  const stays = told.dark && PIXELS.test(drawn);
  const [ink, muted, ground] = ["ink", "muted", "ground"].map((name) => inks[name][stays ? 1 : 0]);
  let y = PAD;
  const text = (rows, size, weight, color, gap) => rows.map((row) => {
    y += gap;
    return `<text x="${PAD}" y="${y - gap / 4}" font-size="${size}" font-weight="${weight}" fill="${color}">${escaped(row)}</text>`;
  }).join("");
  const head = text(lines(told.title, 18, 600, width), 18, 600, ink, 24);
  const top = y + 8;
  y = top + height + 8;
  const foot = text(lines(told.note, 13, 400, width), 13, 400, muted, 18)
    + text(lines(told.source, 13, 400, width), 13, 400, muted, 18);
  const size = [Math.ceil(width + 2 * PAD), Math.ceil(y + PAD - 6)];
  const body = lightened(drawn, told.dark, [...Object.values(inks), ...FILLS].map(([light, dark]) => [dark, light]));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${size[0]}" `
    + `height="${size[1]}" viewBox="0 0 ${size[0]} ${size[1]}" font-family="${FAMILY}"><title>${escaped(told.title)}</title>`
    + `<rect width="100%" height="100%" fill="${ground}"/>${head}<g transform="translate(${PAD} ${top})">${body}</g>${foot}</svg>`;
  return { svg, size };
}

// The page's own font as a rule that an image can use: it has no other way to it.
async function font() {
  const rules = [...document.styleSheets].flatMap((sheet) => {
    try { return [...sheet.cssRules]; } catch { return []; }
  });
  const face = rules.find((rule) => rule instanceof CSSFontFaceRule && /Source Sans/.test(rule.cssText)
    && !/italic/.test(rule.style.fontStyle ?? ""));
  const url = /url\("?([^")]+)"?\)/.exec(face?.cssText ?? "")?.[1];
  if (!url) return "";
  const bytes = new Uint8Array(await (await fetch(new URL(url, face.parentStyleSheet.href ?? document.baseURI))).arrayBuffer());
  let binary = "";
  for (let i = 0; i < bytes.length; i += 32768) binary += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return `<style>@font-face{font-family:"Source Sans";font-weight:200 900;src:url(data:font/woff2;base64,${btoa(binary)})}</style>`;
}

export function hand(name, blob) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export const saveSvg = ({ svg }, name) => hand(`${name}.svg`, new Blob([svg], { type: "image/svg+xml" }));

export async function savePng({ svg, size }, name) {
  const image = new Image();
  const own = svg.replace("<rect", `${await font().catch(() => "")}<rect`);
  image.src = URL.createObjectURL(new Blob([own], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: 2 * size[0], height: 2 * size[1] });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  canvas.toBlob((blob) => hand(`${name}.png`, blob), "image/png");
}

const cell = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
export const saveCsv = ({ columns, rows }, name) => hand(
  `${name}.csv`, new Blob([[columns, ...rows].map((row) => row.map(cell).join(",")).join("\n")], { type: "text/csv" }),
);
