// What all live scripts draw and write with; it stands before each of them.

const NS = "http://www.w3.org/2000/svg";

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
