/* Runs within the HTML of the first page. The picture above is displayed until the real page has drawn the same, and no
   longer: it goes if the page cannot be drawn, and it covers no other message of the page. */

(() => {
  const LONGEST = 10_000; // ms
  const host = document.currentScript.previousElementSibling;
  if (host.childElementCount) return host.remove(); // no shadow root was made: this browser knows no declared ones
  const away = new AbortController();
  const leave = () => {
    away.abort();
    clearInterval(looking);
    host.remove();
  };
  // The last run of the page has ended without a photo, with a reason. With one, the browser may take seconds more.
  const drawn = () => document.querySelector("PAGE_IS_DRAWN:not(:has(.st-key-explainer))");
  const began = performance.now();
  const looking = setInterval(() => (drawn() || performance.now() - began > LONGEST) && leave(), 100);
  // Parts of the page whose scripts are still on their way would push the answer down once they are drawn.
  const whole = () => (document.querySelector("PART_IS_LOADING") ? requestAnimationFrame(whole) : leave());
  const painted = (event) => event.composedPath()[0].querySelector(".photo").decode().then(whole, leave);
  document.addEventListener("painted", painted, { capture: true, signal: away.signal });
  for (const failure of ["error", "unhandledrejection"])
    addEventListener(failure, leave, { capture: true, signal: away.signal });
  try {
    // The theme chosen in the app's menu; a browser that stores nothing follows its preference.
    const chosen = localStorage.getItem(`stActiveTheme-${location.pathname}-v2`);
    host.style.colorScheme = { '"Light"': "light", '"Dark"': "dark" }[chosen] ?? "light dark";
  } catch {
    // So does one that may not read it.
  }
  const below = document.createElement("style"); // nobody sees the page come together
  below.textContent = "#root, #root * { visibility: hidden !important }";
  host.append(below);
  host.hidden = false;
})();
