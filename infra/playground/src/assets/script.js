// Keeps a page up to date: when something has changed, it is fetched again, and its parts marked
// `data-live` are replaced where they differ; and keeps a form from being sent twice. Nothing else
// needs a script.
"use strict";
(() => {
  let sent = null;
  document.addEventListener("submit", (event) => {
    if (sent === event.target) event.preventDefault();
    else sent = event.target;
  });

  const live = () => [...document.querySelectorAll("[data-live][id]")];
  const follows = live().length > 0 && "EventSource" in window;
  let seen = null;
  let running = false;
  let again = false;

  // Whoever types in a part is not disturbed there.
  const isInUse = (part) => {
    const focused = document.activeElement;
    return part.contains(focused) && focused.matches("input, select, textarea");
  };

  const replace = (old, fresh) => {
    const open = [...old.querySelectorAll("details[id][open]")].map((it) => it.id);
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    const scrolled = [...old.querySelectorAll(".table-wrap[id]")].map((it) => [it.id, it.scrollLeft]);
    old.innerHTML = fresh.innerHTML;
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    scrolled.forEach(([id, left]) => { const it = document.getElementById(id); if (it) it.scrollLeft = left; });
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };

  const announcements = (page) =>
    [...page.querySelectorAll("[data-announce]")].map((it) => it.textContent.trim()).filter(Boolean);

  const refresh = async () => {
    if (running) { again = true; return; }
    running = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const before = announcements(document);
      for (const old of live()) {
        const part = fresh.getElementById(old.id);
        if (part && part.innerHTML !== old.innerHTML && !isInUse(old)) replace(old, part);
      }
      const news = announcements(document).filter((text) => !before.includes(text));
      if (news.length) document.getElementById("announcement").textContent = news.join(". ");
    } catch {
      // The playground has stopped, or is about to start again.
    } finally {
      running = false;
      if (again) { again = false; setTimeout(refresh, 200); }
    }
  };

  // A browser keeps six connections to a server, for all its tabs: only those that are looked at have one.
  let events = null;
  const follow = () => {
    const wanted = follows && document.visibilityState === "visible";
    if (!wanted) {
      events?.close();
      events = null;
    } else if (!events) {
      events = new EventSource("/events");
      events.addEventListener("changed", (event) => {
        // The first one after loading tells where things stand.
        const first = seen === null;
        const changed = seen !== event.data;
        seen = event.data;
        if (first || changed) refresh();
      });
    }
  };
  document.addEventListener("visibilitychange", follow);
  window.addEventListener("pagehide", () => { events?.close(); events = null; });
  // Once more where the browser goes back to a page that it has kept.
  window.addEventListener("pageshow", () => { sent = null; follow(); });
  follow();
})();
