// The pictures as parts of the page: so they have its font, and what saves a chart finds them. Faded while others come.
export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".drawn");
  const content = `${data.stages.join("")}<div class="answers">${data.answers.join("")}</div>`;
  if (place.content !== content) place.innerHTML = place.content = content;
  place.classList.toggle("old", data.old);
}
