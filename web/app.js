// The page: one live search. Registers the query, takes the watermark, loads history below it, and puts what comes after it on top.
// Tweets are hostile text: everything goes into the page with textContent, and links are made for http and https only.

const MAX_LIVE = 500;
const PAGE = 50;
const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat();

let socket, query = "", run = 0, registered = false, watermark = 0, lastSeq = null, epoch = null, next = null, attempts = 0;
let waiting = [], counts = {};

const send = (event, payload, ref) => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify([event, payload, ref]));
};

function say(state, text) {
  $("state").dataset.state = state;
  $("state").textContent = text;
}

// A search from the start: a new run, so that answers to an older one are known.
function search() {
  run += 1;
  registered = false;
  lastSeq = next = null;
  waiting = [];
  $("live").replaceChildren();
  $("history").replaceChildren();
  for (const id of ["error", "older", "trimmed"]) $(id).hidden = true;
  $("seam").textContent = "";
  $("q").removeAttribute("aria-invalid");
  document.title = `${query} · perch`;
  register();
}

function register() {
  registered = false;
  const since = lastSeq === null ? {} : { since: lastSeq, epoch };
  send("cmd/percolate", { query, ...since }, `percolate ${run}`);
}

const older = () => {
  $("older").disabled = true;
  send("cmd/query", { query, n: PAGE, until_seq: watermark, ...(next && { before_id: next }) }, `history ${run}`);
};

function fail({ code, message, at }, ref) {
  if (ref === `percolate ${run}` && code === "unrecoverable") return search();
  if (ref === `history ${run}`) $("older").disabled = false;
  const placed = at?.column && ref === `percolate ${run}`;
  $("where").textContent = placed ? `${query}\n${" ".repeat(at.column - 1)}${"^".repeat(Math.max(1, at.length))}` : "";
  $("what").textContent = placed ? `column ${at.column}: ${message}` : message;
  $("error").hidden = false;
  if (code === "bad_query") $("q").setAttribute("aria-invalid", "true");
}

const on = {
  hello(payload) {
    attempts = 0;
    if (epoch !== null && epoch !== payload.epoch) lastSeq = null;
    epoch = payload.epoch;
    say("live", "live");
    send("stats/users-count");
    send("stats/total-tweet-count");
    if (lastSeq === null) search(); else register();
  },
  "percolate/ok"({ seq }, ref) {
    if (ref !== `percolate ${run}`) return;
    registered = true;
    if (lastSeq !== null) return;
    lastSeq = watermark = seq;
    older();
  },
  "tweet/new"({ tweet, seq }) {
    if (!registered) return;
    lastSeq = Math.max(lastSeq, seq);
    waiting.push(tweet);
    if (waiting.length === 1) requestAnimationFrame(show);
    // A page in the background gets no frames: it keeps the newest.
    if (waiting.length > 2 * MAX_LIVE) waiting.splice(0, MAX_LIVE);
  },
  "tweet/prev-chunk"(page, ref) {
    if (ref !== `history ${run}`) return;
    next = page.next;
    // A newer version of a tweet may be on top already.
    $("history").append(...page.result.filter((tweet) => !document.getElementById(key(tweet))).map(article));
    $("older").hidden = !next;
    $("older").disabled = false;
    $("seam").textContent = page.total || $("live").childElementCount ? `${number.format(page.total)} before` : "Nothing yet: what comes in will show up here.";
  },
  "stream/catching-up"() { say("busy", "catching up…"); },
  "stream/live"({ seq }) {
    lastSeq = Math.max(lastSeq ?? 0, seq);
    say("live", "live");
  },
  "stats/users-count"(n) { count({ users: n }); },
  "stats/total-tweet-count"(n) { count({ tweets: n }); },
  "cmd/error": fail,
};

function count(change) {
  Object.assign(counts, change);
  const parts = [];
  if ("tweets" in counts) parts.push(`${number.format(counts.tweets)} tweets`);
  if ("users" in counts) parts.push(`${number.format(counts.users)} online`);
  $("counts").textContent = parts.join(" · ");
}

// Puts what came since the last frame on top. A tweet that came before, in an older version, moves up.
function show() {
  const list = $("live");
  for (const tweet of waiting.slice(-MAX_LIVE)) {
    document.getElementById(key(tweet))?.remove();
    const fresh = article(tweet);
    fresh.classList.add("fresh");
    list.prepend(fresh);
  }
  waiting = [];
  while (list.childElementCount > MAX_LIVE) {
    list.lastElementChild.remove();
    $("trimmed").hidden = false;
  }
}

const key = (tweet) => `tweet-${tweet.id_str}`;

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function link(href, text) {
  const made = element("a", text);
  if (/^https?:\/\//i.test(href)) {
    made.href = href;
    made.rel = "noopener noreferrer nofollow";
    made.target = "_blank";
  }
  return made;
}

function article(tweet) {
  const shown = tweet.retweeted_status ?? tweet;
  const made = element("article", "");
  made.id = key(tweet);
  if (shown !== tweet) made.append(element("div", `↻ ${tweet.user?.name ?? "someone"} retweeted`, "meta"));
  const by = element("div", "", "by");
  by.append(element("b", shown.user?.name ?? ""), ` @${shown.user?.screen_name ?? "?"}`);
  const text = element("p", "");
  text.dir = "auto";
  if (shown.lang) text.lang = shown.lang;
  for (const part of String(shown.text ?? "").split(/(https?:\/\/[^\s<>"]+)/i)) {
    text.append(/^https?:\/\//i.test(part) ? link(part, part) : part);
  }
  const meta = element("div", "", "meta");
  const time = new Date(tweet.created_at);
  const when = Number.isNaN(time.getTime()) ? "link" : time.toLocaleString();
  meta.append(link(`https://x.com/i/status/${encodeURIComponent(tweet.id_str)}`, when));
  for (const [sign, n] of [["↻", shown.retweet_count], ["♥", shown.favorite_count]]) {
    if (n > 0) meta.append(` · ${sign} ${number.format(n)}`);
  }
  made.append(by, text, meta);
  return made;
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws`);
  socket.onmessage = ({ data }) => {
    const [event, payload, ref] = JSON.parse(data);
    on[event]?.(payload, ref);
  };
  socket.onclose = ({ code, reason }) => {
    registered = false;
    // These say that this page does something wrong: coming back would not help.
    if (code === 4003 || code === 4004) return say("off", `closed: ${reason}`);
    const wait = Math.min(30_000, 500 * 2 ** attempts) * (0.5 + Math.random() / 2);
    attempts += 1;
    say("off", `disconnected; trying again in ${Math.ceil(wait / 1000)} s`);
    setTimeout(connect, wait);
  };
}

const fromUrl = () => {
  query = new URLSearchParams(location.search).get("q")?.trim() || "*";
  $("q").value = query;
};

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  query = $("q").value.trim() || "*";
  history.pushState(null, "", `?q=${encodeURIComponent(query)}`);
  search();
});
$("older").addEventListener("click", older);
addEventListener("popstate", () => { fromUrl(); search(); });
fromUrl();
connect();
