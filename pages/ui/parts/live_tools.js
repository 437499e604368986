// What all live scripts draw and write with; it stands before each of them.

// Phrases that stand in another language instead, the longest first; `speak` sets them.
let spoken = {}, phrases = null;
const speak = (words = {}) => {
  spoken = words;
  const all = Object.keys(words).filter((phrase) => words[phrase]).sort((a, b) => b.length - a.length);
  const plain = all.map((phrase) => phrase.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  phrases = all.length ? new RegExp(`(?<![\\w-])(?:${plain.join("|")})(?![\\w-])`, "g") : null;
};
const said = (text) => (phrases ? text.replace(phrases, (phrase) => spoken[phrase]) : text);

const NS = "http://www.w3.org/2000/svg";

const svg = (name, attributes = {}, text = "") => {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = said(text);
  return node;
};
const html = (name, className = "", text = "") => {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text) node.textContent = said(text);
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
// Both in the whole's unit: "10.7 of 13.8 k".
const ofWhole = (value, whole) => {
  const [limit, unit] = [[1e9, " G"], [1e6, " M"], [1e3, " k"]].find(([least]) => whole >= least) ?? [1, ""];
  return `${Number((value / limit).toPrecision(3))} of ${Number((whole / limit).toPrecision(3))}${unit}`;
};

// The newest answer of the server, as `data`; it comes as what changed since one that is held here. `ask` pulls a trigger
// of the feed, `tell` sets what it says.
const heard = () => {
  const { dimapNews: news, dimapFeed: feed } = window;
  if (!news || news === feed?.news) return feed;
  const asked = { news, ask: news.setTriggerValue, tell: news.setStateValue }, { base, beat, patch } = news.data;
  if (feed?.patch === patch) return Object.assign(feed, asked);
  const plain = (value) => value?.constructor === Object;
  const made = (old, by) => {
    const now = { ...old };
    for (const key in by) now[key] = plain(by[key]) ? made(now[key], by[key]) : by[key];
    return now;
  };
  const held = (window.dimapHeld = base ? window.dimapHeld : { 0: {} });
  if (!held?.[base]) asked.ask("look", 0);
  else {
    for (const at in held) if (at > 0 && at < base) delete held[at];
    held[beat] = { ...made(held[base], patch), beat };
    window.dimapFeed = { ...asked, patch, data: held[beat] };
  }
  return window.dimapFeed;
};
