(() => {
  const dark = matchMedia("screen and (prefers-color-scheme: dark)");
  for (const place of document.querySelectorAll("[data-figure]")) {
    const figures = JSON.parse(document.getElementById(place.dataset.figure).textContent);
    const draw = () => {
      const { data, layout } = figures[dark.matches ? "dark" : "light"];
      Plotly.react(place, data, layout, { displayModeBar: false, responsive: true });
    };
    place.closest("figure").classList.add("drawn");
    draw();
    dark.addEventListener("change", draw);
  }
})();
