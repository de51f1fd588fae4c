// The page: what is asked for, what is being painted, and what was. It uses the HTTP interface alone.
import { MaskPainter } from "./masks.js";

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token");
const asker = sessionStorage.asker ??= crypto.randomUUID?.() ?? String(Math.random());

function address(path, query = {}) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries({ ...query, ...(token && { token }) })) {
    url.searchParams.set(name, value);
  }
  return url;
}

async function ask(path, { method = "GET", body, query } = {}) {
  const isData = body instanceof Blob;
  const answer = await fetch(address(path, query), {
    method,
    headers: {
      ...(method !== "GET" && { "X-Manualnst": "1" }),
      ...(body && !isData && { "Content-Type": "application/json" }),
    },
    body: body && !isData ? JSON.stringify(body) : body,
  });
  if (answer.status === 204) return null;
  const text = await answer.text();
  let data;
  try { data = JSON.parse(text); } catch { data = { error: text.trim() }; }
  if (!answer.ok) throw new Error(data.error ?? `the server says ${answer.status}`);
  return data;
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function refuse(error) { $("refusal").textContent = error?.message ?? error; }

// What is chosen

const chosen = { content: null, styles: [] }; // {id, name}
let options;
const painter = new MaskPainter($("mask"));
const masks = new Map(); // number of a style → canvas of its mask

const shown = (picture, size) => address(`api/pictures/${picture.id}`, { size });

function drawChosen() {
  for (const [role, pictures] of [["content", chosen.content ? [chosen.content] : []], ["styles", chosen.styles]]) {
    $(`${role}-chosen`).replaceChildren(...pictures.map((picture) => {
      const remove = make("button", { type: "button", textContent: "Remove" });
      remove.setAttribute("aria-label", `Remove ${picture.name}`);
      remove.addEventListener("click", () => {
        if (role === "content") chosen.content = null;
        else chosen.styles = chosen.styles.filter((each) => each !== picture);
        changed(role);
        $(`${role}-file`).focus();
      });
      return make("figure", {}, make("img", { src: shown(picture, 320), alt: "" }),
        make("figcaption", { textContent: picture.name }), remove);
    }));
    for (const button of $(`${role}-samples`).children) {
      button.setAttribute("aria-pressed", String(pictures.some((each) => each.id === button.dataset.id)));
    }
  }
}

function changed(role) {
  drawChosen();
  if (role === "content") { masks.clear(); painter.setPicture(chosen.content && shown(chosen.content, 480)); }
  $("mask-style").replaceChildren(...chosen.styles.map((style, n) => make("option", { value: n, textContent: style.name })));
  foretellSoon();
}

function choose(role, picture) {
  if (role === "content") chosen.content = picture;
  else if (chosen.styles.length < options.max_styles) chosen.styles.push(picture);
  else return refuse(`at most ${options.max_styles} styles go together`);
  refuse("");
  changed(role);
}

async function upload(role, files) {
  for (const file of files) {
    try {
      choose(role, await ask("api/pictures", { method: "POST", body: file, query: { name: file.name || "pasted" } }));
    } catch (error) { refuse(`${file.name}: ${error.message}`); }
  }
}

function drawSamples(role, names) {
  $(`${role}-samples`).replaceChildren(...names.map((id) => {
    const name = id.replace("sample:", "");
    const button = make("button", { type: "button" }, make("img", { src: address(`api/pictures/${id}`, { size: 96 }), alt: name }));
    button.dataset.id = id;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      const there = chosen.styles.findIndex((each) => each.id === id);
      if (role === "styles" && there >= 0) { chosen.styles.splice(there, 1); changed(role); }
      else choose(role, { id, name });
    });
    return button;
  }));
}

for (const zone of document.querySelectorAll(".drop")) {
  const role = zone.dataset.role;
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    upload(role, event.dataTransfer.files);
  });
}
for (const [id, role] of [["content-file", "content"], ["content-camera", "content"], ["styles-file", "styles"]]) {
  $(id).addEventListener("change", async (event) => { await upload(role, event.target.files); event.target.value = ""; });
}
document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
  if (files.length) upload(chosen.content ? "styles" : "content", files);
});

// Settings

const ON_TOP = ["style_strength", "size", "colours"]; // have fields of their own

function drawSettings() {
  const all = options.groups.flatMap((group) => group.settings);
  const colours = all.find((each) => each.name === "colours");
  $("colours").replaceChildren(...colours.choices.map((value) => make("option", { value, textContent: value })));
  $("preset").append(...Object.entries(options.presets).map(([value, title]) => make("option", { value, textContent: value, title })));
  $("groups").replaceChildren(...options.groups.map((group) => make("fieldset", {}, make("legend", { textContent: group.title }),
    ...group.settings.filter((each) => !ON_TOP.includes(each.name)).map(field))));
}

function field(setting) {
  const empty = `as usual: ${setting.default_in_words}`;
  const input = setting.kind === "choice"
    ? make("select", {}, make("option", { value: "", textContent: empty }), ...setting.choices.map((value) => make("option", { value, textContent: value })))
    : make("input", { type: "text", placeholder: empty, inputMode: setting.kind === "text" ? "text" : "decimal" });
  input.name = setting.name;
  input.className = "setting";
  return make("label", {}, setting.name.replaceAll("_", " "), input, make("small", { textContent: setting.words }));
}

function settings() {
  const given = {};
  for (const input of document.querySelectorAll(".setting")) if (input.value.trim()) given[input.name] = input.value;
  if (!$("preset").value || $("style_strength").value !== "0.5") given.style_strength = Number($("style_strength").value);
  if (!$("preset").value || $("size").value !== "512") given.size = Number($("size").value);
  if ($("colours").value !== "style") given.colours = $("colours").value;
  return given;
}

function fillIn(given) {
  for (const input of document.querySelectorAll(".setting")) input.value = given[input.name] === undefined ? "" : inWords(given[input.name]);
  $("style_strength").value = given.style_strength ?? 0.5;
  $("colours").value = given.colours ?? "style";
  const size = String(given.size ?? 512);
  if (![...$("size").options].some((each) => each.value === size)) $("size").append(make("option", { textContent: size }));
  $("size").value = size;
  $("strength-value").value = $("style_strength").value;
}

function inWords(value) {
  if (Array.isArray(value)) return value.join(",");
  if (value && typeof value === "object") return Object.entries(value).map(([name, w]) => (w === 1 ? name : `${name}:${w}`)).join(",");
  return String(value);
}

async function asked() {
  if (!chosen.content) throw new Error("choose a content picture");
  if (!chosen.styles.length) throw new Error("choose a style picture");
  const job = { content: chosen.content.id, styles: chosen.styles.map((each) => each.id), settings: settings(), asker,
    label: `${chosen.content.name} in ${chosen.styles.map((each) => each.name).join(" + ")}` };
  if ($("animate").checked) job.animate = true;
  if ($("preset").value) job.preset = $("preset").value;
  const painted = await uploadMasks();
  if (painted) job.masks = painted;
  return job;
}

async function uploadMasks() {
  if (!masks.size) return null;
  const ids = [];
  for (let n = 0; n < chosen.styles.length; n += 1) {
    const blob = await painter.blobOf(masks.get(n));
    ids.push((await ask("api/pictures", { method: "POST", body: blob, query: { name: `mask ${n + 1}` } })).id);
  }
  return ids;
}

let waiting;
function foretellSoon() { clearTimeout(waiting); waiting = setTimeout(foretell, 400); }

async function foretell() {
  if (!chosen.content || !chosen.styles.length) { $("forecast").textContent = ""; return; }
  try {
    const told = await ask("api/forecast", { method: "POST", body: { ...await asked(), masks: [] } });
    $("forecast").textContent = `${told.width} × ${told.height}, ${told.steps} steps, about ${inTime(told.seconds)}, ${(told.bytes / 2 ** 30).toFixed(1)} GiB of memory`;
    refuse("");
  } catch (error) { $("forecast").textContent = ""; refuse(error); }
}

function inTime(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

$("ask").addEventListener("input", (event) => {
  $("strength-value").value = $("style_strength").value;
  if (!event.target.closest("#masks") && event.target.type !== "file") foretellSoon();
});

$("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("paint").disabled = true;
  try {
    const job = await ask("api/jobs", { method: "POST", body: await asked() });
    refuse("");
    await drawHistory();
    watch(job.id);
    $("show").focus();
  } catch (error) { refuse(error); }
  $("paint").disabled = false;
});

$("sheet").addEventListener("click", async () => {
  try {
    const job = await asked();
    const sheet = crypto.randomUUID?.() ?? String(Math.random());
    for (const [n, style] of chosen.styles.entries()) {
      for (const strength of [0.2, 0.4, 0.6, 0.8]) {
        await ask("api/jobs", { method: "POST", body: { ...job, sheet, styles: [style.id], masks: job.masks ? [job.masks[n]] : [],
          settings: { ...job.settings, style_strength: strength }, label: `${style.name}, strength ${strength}` } });
      }
    }
    refuse("");
    await drawHistory();
  } catch (error) { refuse(error); }
});

// Masks

$("mask-style").addEventListener("change", () => painter.show(masks.get(Number($("mask-style").value))));
painter.onChange = (canvas) => {
  const n = Number($("mask-style").value || 0);
  masks.set(n, canvas);
};
$("mask-clear").addEventListener("click", () => { masks.clear(); painter.clear(); });
$("mask-undo").addEventListener("click", () => painter.undo());
$("mask-fill").addEventListener("click", () => painter.fill());
$("mask-invert").addEventListener("click", () => painter.invert());
for (const id of ["mask-size", "mask-soft"]) {
  $(id).addEventListener("input", () => { painter.size = Number($("mask-size").value); painter.soft = Number($("mask-soft").value) / 100; });
}
for (const radio of document.querySelectorAll("input[name=tool]")) {
  radio.addEventListener("change", () => {
    painter.erases = radio.value === "erase";
    painter.rectangle = radio.value === "subject";
  });
}
painter.onRectangle = async (box) => {
  try {
    const mask = await ask("api/subject", { method: "POST", body: { picture: chosen.content.id, box } });
    painter.take(shown(mask, 1024));
    refuse("");
  } catch (error) { painter.draw(); refuse(error); }
};

// The painting

let source, current, frame = 0;

function watch(id) {
  source?.close();
  frame = 0;
  $("show").hidden = false;
  source = new EventSource(address(`api/jobs/${id}/events`));
  source.addEventListener("message", (event) => {
    const job = JSON.parse(event.data);
    draw(job);
    if (["done", "failed", "stopped"].includes(job.state)) { source.close(); drawHistory(); }
  });
}

function draw(job) {
  const isAnother = current?.id !== job.id;
  current = job;
  $("show-title").textContent = job.label ?? "Painting";
  $("state").textContent = inState(job);
  $("progress").value = job.state === "done" ? 1 : job.share ?? 0;
  $("progress").hidden = job.state === "failed";
  const over = ["done", "stopped"].includes(job.state);
  const stamp = over ? `done-${job.version}` : Math.floor(job.version);
  if (over) $("after").src = address(`api/jobs/${job.id}/result.png`, { v: stamp });
  else if (job.has_preview && performance.now() - frame > 450) {
    frame = performance.now();
    $("after").src = address(`api/jobs/${job.id}/preview.webp`, { v: stamp });
  } else if (isAnother) $("after").src = shown({ id: job.content }, 512);
  $("after").alt = job.label ?? "the painting";
  if (isAnother) {
    $("before").src = shown({ id: job.content }, 1024);
    $("split").value = 0;
    slide();
  }
  if (job.last_size) {
    $("slide").style.setProperty("--shape", `${job.last_size[0]} / ${job.last_size[1]}`);
    $("slide").style.setProperty("--width", `${job.last_size[0]}px`);
  }
  drawCurve(job.losses ?? []);
  $("notices").replaceChildren(...(job.notices ?? []).map((text) => make("li", { textContent: text })));
  drawActions(job);
}

function inState(job) {
  if (job.state === "queued") return "Waiting for its turn.";
  if (job.state === "failed") return `It failed: ${job.why}`;
  if (job.state === "done") return `Done in ${inTime(job.seconds ?? 0)}.`;
  const size = job.size ? ` at ${job.size[0]} × ${job.size[1]}` : "";
  if (job.state === "stopped") return `Stopped after ${job.step ?? 0} steps${size}; it can go on.`;
  // Whole tenths, so that a reader is not told of every step.
  return job.step ? `Painting${size}: ${10 * Math.floor(10 * job.share)} %, about ${inTime(job.seconds_left)} left.` : "Getting ready.";
}

function drawActions(job) {
  const key = `${job.id} ${job.state}`;
  if ($("job-actions").dataset.key === key) return;
  $("job-actions").dataset.key = key;
  const had = $("job-actions").contains(document.activeElement);
  const button = (text, act) => {
    const made = make("button", { type: "button", textContent: text });
    made.addEventListener("click", async () => { try { await act(); } catch (error) { refuse(error); } });
    return made;
  };
  const link = (text, path) => {
    const made = make("a", { textContent: text, href: address(`api/jobs/${job.id}/${path}`, { save: 1 }) });
    made.setAttribute("download", "");
    return made;
  };
  const again = async (path) => { await ask(`api/jobs/${job.id}/${path}`, { method: "POST" }); watch(job.id); drawHistory(); };
  const actions = [];
  if (["running", "queued"].includes(job.state)) actions.push(button("Stop", () => again("stop")));
  if (["stopped", "failed"].includes(job.state)) actions.push(button("Go on", () => again("resume")));
  if (["done", "stopped"].includes(job.state)) actions.push(link("Picture", "result.png"), link("Record", "record.json"));
  if (job.state === "done" && job.animate) actions.push(link("Animation", "animation.webp"));
  if (job.state === "done") actions.push(button("More steps", () => goBeyond(job)));
  actions.push(button("Again with other settings", () => useAgain(job)));
  if (job.state !== "running") actions.push(button("Remove", () => remove(job)));
  $("job-actions").replaceChildren(...actions);
  if (had) $("show").focus();
}

async function goBeyond(job) {
  const { content, styles, masks, preset, settings: given, label } = job;
  const more = { content, styles, masks: masks ?? [], settings: given, asker, after: job.id, label: `${label}, more steps`, ...(preset && { preset }) };
  watch((await ask("api/jobs", { method: "POST", body: more })).id);
  await drawHistory();
}

function useAgain(job) {
  const named = (id) => ({ id, name: id.startsWith("sample:") ? id.slice(7) : "picture" });
  chosen.content = named(job.content);
  chosen.styles = job.styles.map(named);
  $("preset").value = job.preset ?? "";
  fillIn(job.settings);
  changed("content");
  $("ask").scrollIntoView();
  $("style_strength").focus();
}

async function remove(job) {
  await ask(`api/jobs/${job.id}`, { method: "DELETE" });
  source?.close();
  current = null;
  $("show").hidden = true;
  await drawHistory();
  $("history-title").scrollIntoView();
}

function drawCurve(losses) {
  const line = $("curve").firstElementChild;
  if (losses.length < 2) return line.setAttribute("points", "");
  const logs = losses.map(([, loss]) => Math.log(Math.max(loss, 1e-12)));
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const last = losses.at(-1)[0];
  line.setAttribute("points", losses.map(([step], n) => `${(400 * step) / last},${115 - (110 * (logs[n] - low)) / (high - low || 1)}`).join(" "));
}

function slide() { $("slide").style.setProperty("--split", `${$("split").value}%`); }
$("split").addEventListener("input", slide);
$("zoom").addEventListener("change", () => $("stage").classList.toggle("full", $("zoom").checked));
$("stage").addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  const box = $("slide").getBoundingClientRect();
  $("split").value = (100 * (event.clientX - box.left)) / box.width;
  slide();
});

// History

const picked = new Set();

async function drawHistory() {
  const jobs = await ask("api/jobs");
  $("empty").hidden = jobs.length > 0;
  $("history").replaceChildren(...jobs.map(item));
  $("comparing").textContent = jobs.length > 1 ? "Tick two to see them side by side." : "";
}

function item(job) {
  const over = ["done", "stopped"].includes(job.state);
  const src = over ? address(`api/jobs/${job.id}/result.png`, { v: job.version }) : shown({ id: job.content }, 256);
  const words = make("span", { className: "words" }, job.label ?? job.id, make("span", { className: `words ${job.state}`, textContent: job.state }));
  const open = make("button", { type: "button", className: "open" }, make("img", { className: "thumb", src, alt: "", loading: "lazy" }), words);
  open.addEventListener("click", () => { watch(job.id); $("show").hidden = false; $("show").focus(); });
  const tick = make("input", { type: "checkbox", checked: picked.has(job.id), disabled: !over });
  tick.addEventListener("change", () => {
    if (tick.checked) picked.add(job.id); else picked.delete(job.id);
    if (picked.size === 2) compare([...picked]);
  });
  return make("li", {}, open, make("label", {}, tick, "compare"));
}

async function compare(ids) {
  const jobs = await Promise.all(ids.map((id) => ask(`api/jobs/${id}`)));
  $("pair").replaceChildren(...jobs.map((job) => make("figure", {},
    make("img", { src: address(`api/jobs/${job.id}/result.png`, { v: job.version }), alt: job.label ?? "" }),
    make("figcaption", { textContent: `${job.label ?? job.id} · ${Object.entries(job.settings).map(([name, value]) => `${name} ${inWords(value)}`).join(", ")}` }))));
  $("compare").showModal();
}
$("compare-close").addEventListener("click", () => $("compare").close());
$("compare").addEventListener("close", () => { picked.clear(); drawHistory(); });

// The beginning

try {
  options = await ask("api/options");
  drawSettings();
  $("find-subject").hidden = !options.finds_subjects;
  drawSamples("content", options.samples.content);
  drawSamples("styles", options.samples.styles);
  changed("content");
  await drawHistory();
  const jobs = await ask("api/jobs");
  const alive = jobs.find((job) => ["running", "queued"].includes(job.state));
  if (alive) watch(alive.id);
} catch (error) { refuse(error); }
