"use strict";
for (const [name, { data, layout }] of Object.entries(JSON.parse(document.getElementById("figures").textContent))) {
  // A finger that drags over a plot means to scroll the page.
  if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
  Plotly.newPlot(name, data, layout, { responsive: true, displayModeBar: false });
}
