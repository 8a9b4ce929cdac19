// Tandem, Apache-2.0: page views, events and forms of this site, sent to its own service and to nobody else.
//
// Written for any browser since 2016 and for sites of any Content-Security-Policy. Every line that a locked-down browser
// may refuse stands in a try: such a browser is served as far as it goes, and the page never notices.
(function (window, document, navigator) {
  "use strict";

  var NAME = "tandem";
  // 13 months: no visitor is known for longer, however often it comes.
  var LIFETIME = 395 * 864e5;
  var MOST_WAITING = 100;
  // In UTF-16 units; at most three times as many bytes, and so within the 64 KiB that a browser lets a leaving page send.
  var MOST_SENT = 15000;
  var LONGEST_ADDRESS = 2000;
  // In bytes of JSON, as the service takes them.
  var MOST_PROPERTIES = 2048;
  // In bytes, as every browser keeps it.
  var MOST_OF_COOKIE = 4000;
  // What shows where a visitor comes from: the click ids of advertisers, which are whole or worth nothing, and the parameters
  // of campaigns.
  var CLICK = /^(gclid|gbraid|wbraid|fbclid|msclkid|li_fat_id|ttclid)=./i;
  var CAMPAIGN = /^utm_[a-z_]+=./i;
  var FORM = "form[data-tandem-form]";

  var script = document.currentScript || document.querySelector('script[src*="/tandem.js"]');
  if (!script || (window.tandem && window.tandem.isHere)) return;
  var service = script.src.replace(/\/tandem\.js([?#].*)?$/, "");
  var key = choice("key");
  var domain = choice("domain");
  var needsConsent = choice("consent") === "required";

  // An attribute of the tag, or a parameter of its address: tag managers strip attributes.
  function choice(name) {
    var asked = script.src.match(new RegExp("[?&]" + name + "=([^&#]*)"));
    return script.getAttribute("data-" + name) || (asked && quietly(decodeURIComponent)(asked[1]));
  }

  // What is remembered between pages: {id, since, consent, landing: {url, referrer}, sent}.
  var kept = {};
  var waiting = [];
  var timer, landing, counted, hasWarned;
  // The address as it was navigated to, as long as the page has not moved on: scripts of the site may have cleaned it.
  var begun = location.href;
  var navigated = quietly(function () {
    return performance.getEntriesByType("navigation")[0].name;
  })() || begun;
  var referrer = document.referrer;
  var shown = new Date().toISOString();

  function quietly(work) {
    return function () {
      try {
        return work.apply(this, arguments);
      } catch (refused) {}
    };
  }

  function on(target, name, work, capture) {
    target.addEventListener(name, quietly(work), !!capture);
  }

  // ---- What is remembered, in localStorage or a first-party cookie

  var stored = quietly(function () {
    return localStorage.getItem(NAME);
  });

  function warn(what) {
    if (!hasWarned && window.console) console.warn("tandem.js: " + what);
    hasWarned = true;
  }

  var cookie = quietly(function () {
    return decodeURIComponent(document.cookie.match(/(?:^|; )tandem=([^;]*)/)[1]);
  });

  var store = quietly(function (text) {
    if (text && domain) return false;
    if (text) localStorage.setItem(NAME, text);
    else localStorage.removeItem(NAME);
    return true;
  });

  var bake = quietly(function (text, seconds) {
    document.cookie = NAME + "=" + encodeURIComponent(text) + "; Max-Age=" + seconds + "; Path=/; SameSite=Lax" +
      (domain ? "; Domain=" + domain : "") + (location.protocol === "https:" ? "; Secure" : "");
  });

  var understood = quietly(function (text) {
    var record = JSON.parse(text);
    var age = Date.now() - record.since;
    var isSound = record.consent === false ||
      (/^[0-9a-f-]{36}$/.test(record.id) && age >= 0 && age < LIFETIME && (record.consent || !needsConsent));
    return isSound ? record : null;
  });

  // In the cookie of the domain, else where the browser takes it: the domain may not be the page's, and a landing too long.
  function keep() {
    var text = JSON.stringify(kept);
    if (store(text)) return;
    var seconds = Math.floor((kept.since + LIFETIME - Date.now()) / 1000);
    if (encodeURIComponent(text).length > MOST_OF_COOKIE) {
      warn("the landing is too long for a cookie");
      text = JSON.stringify({ id: kept.id, since: kept.since, consent: kept.consent });
    }
    bake(text, seconds);
    if (domain && cookie() !== text) {
      warn("no cookie can be set for data-domain " + domain);
      domain = "";
      if (!store(text)) bake(text, seconds);
    }
  }

  function forget() {
    kept = {};
    store("");
    if (cookie()) bake("", 0);
  }

  // ---- Who may be known

  function isPrivate() {
    return !!navigator.globalPrivacyControl;
  }

  function isRefused() {
    return isPrivate() || kept.consent === false;
  }

  function isAllowed() {
    return !isRefused() && (kept.consent === true || !needsConsent);
  }

  function visitor() {
    if (!kept.id) {
      kept.id = random();
      kept.since = Date.now();
      keep();
    }
    return kept.id;
  }

  function random() {
    var bytes, text = "", i, byte;
    try {
      bytes = crypto.getRandomValues(new Uint8Array(16));
    } catch (refused) {}
    for (i = 0; i < 16; i++) {
      byte = bytes ? bytes[i] : Math.floor(Math.random() * 256);
      if (i === 6) byte = (byte & 15) | 64;
      if (i === 8) byte = (byte & 63) | 128;
      text += (/^(4|6|8|10)$/.test(i) ? "-" : "") + (byte + 256).toString(16).slice(1);
    }
    return text;
  }

  function consent(isGiven) {
    if (isPrivate()) return;
    if (isGiven === true) {
      if (kept.consent === false) forget();
      kept.consent = true;
      kept.landing = kept.landing || landing;
      visitor();
      keep();
      later();
    } else {
      waiting = [];
      forget();
      kept = { consent: false, since: Date.now() };
      // Where nothing is done without consent, a refusal needs no remembering.
      if (!needsConsent) keep();
    }
  }

  // ---- Where the visitor is, and came from

  function isOwn(address) {
    var host = (address.match(/^https?:\/\/([^\/?#]+)/) || [])[1];
    return host === location.host || (domain && ("." + host).slice(-domain.length - 1) === "." + domain);
  }

  // The address of the page: as it was navigated to until it changes, with what stands behind # of where visitors come from.
  function here() {
    return location.href === begun ? navigated : location.href;
  }

  function page() {
    var address = here().split("#")[0];
    var more = telling(location.hash.slice(1), address);
    if (more) address += (address.indexOf("?") < 0 ? "?" : "&") + more;
    return address.length > LONGEST_ADDRESS ? arrival().url : address;
  }

  // Those parameters of a text that show where a visitor comes from, click ids first, without those that are known.
  function telling(text, known) {
    var found = [], left = LONGEST_ADDRESS - 300;
    [[CLICK, 501], [CAMPAIGN, 201]].forEach(function (kind) {
      text.split(/[?&#]/).forEach(function (one) {
        var name = one.split("=")[0] + "=";
        var isKnown = known.indexOf("?" + name) >= 0 || known.indexOf("&" + name) >= 0;
        if (isKnown || !kind[0].test(one) || one.length > kind[1] + name.length || one.length > left) return;
        left -= one.length + 1;
        known += "&" + name;
        found.push(one);
      });
    });
    return found.join("&");
  }

  function arrival() {
    var address = here();
    var campaign = telling(address.slice(address.split(/[?#]/)[0].length) + location.hash + location.search, "");
    var from = document.referrer && !isOwn(document.referrer) ? document.referrer.slice(0, LONGEST_ADDRESS) : "";
    var path = location.href.split(/[?#]/)[0].slice(0, 200);
    return { url: path + (campaign && "?" + campaign), referrer: from, isKnown: campaign || from };
  }

  function remember() {
    var now = arrival();
    landing = kept.landing && !now.isKnown ? kept.landing : { url: now.url, referrer: now.referrer };
    if (!isAllowed()) return;
    kept.landing = landing;
    visitor();
    keep();
  }

  // An accepted form has sent where its visitor came from: what comes after is another visit.
  function sent() {
    if (!kept.landing) return;
    delete kept.landing;
    delete kept.sent;
    keep();
  }

  // A plain form leaves the page: it was accepted unless its visitor comes back to it.
  function leave() {
    if (!kept.landing) return;
    kept.sent = 1;
    keep();
  }

  function comeBack() {
    if (!kept.sent) return;
    delete kept.sent;
    keep();
  }

  // Somebody else uses the browser from now on; what was agreed to holds.
  function reset() {
    var consent = kept.consent;
    flush();
    if (consent === false) return;
    forget();
    if (consent) kept.consent = consent;
    landing = { url: location.href.split(/[?#]/)[0].slice(0, 200), referrer: "" };
    if (consent) visitor();
  }

  // ---- Events

  function track(type, properties) {
    if (isRefused() || waiting.length >= MOST_WAITING) return;
    var event = JSON.stringify({
      type: type,
      occurred_at: new Date().toISOString(),
      properties: properties && bytes(JSON.stringify(properties)) <= MOST_PROPERTIES ? properties : {},
      url: page(),
      referrer: referrer.slice(0, LONGEST_ADDRESS),
      event_id: random()
    });
    if (event.length > MOST_SENT) return;
    // NUL and half surrogates would be refused, and all that is sent with them.
    waiting.push(event.replace(/\\(ud[89a-f][0-9a-f]{2}|u0000|.)/gi, function (all, one) {
      return one.length > 1 ? "\ufffd" : all;
    }));
    later();
  }

  // As many as UTF-8 has: a half surrogate is half of four.
  function bytes(text) {
    return text.replace(/[\u0080-\u07ff\ud800-\udfff]/g, "..").replace(/[\u0800-\uffff]/g, "...").length;
  }

  function later() {
    if (!timer) timer = setTimeout(quietly(function () {
      flush();
    }), 1000);
  }

  function flush(isLeaving) {
    clearTimeout(timer);
    timer = 0;
    while (key && isAllowed() && waiting.length) {
      var batch = [waiting.shift()];
      while (waiting.length && batch.join().length + waiting[0].length < MOST_SENT) batch.push(waiting.shift());
      send('{"visitor_id":"' + visitor() + '","sent_at":"' + new Date().toISOString() + '","events":[' + batch.join() + "]}", isLeaving);
    }
  }

  // Text needs no preflight, and so reaches the service also while the page goes away. Beacons and kept-alive requests that
  // are under way have 64 KiB together; a page that stays needs neither.
  function send(body, isLeaving) {
    var to = service + "/v1/collect?key=" + encodeURIComponent(key);
    try {
      if (navigator.sendBeacon(to, body)) return;
    } catch (refused) {}
    try {
      fetch(to, { method: "POST", body: body, keepalive: !!isLeaving, credentials: "omit" }).catch(function () {});
      return;
    } catch (refused) {}
    var request = new XMLHttpRequest();
    request.open("POST", to);
    request.setRequestHeader("Content-Type", "text/plain");
    request.send(body);
  }

  // Cut between characters: half of one is no text.
  function title() {
    return document.title.slice(0, 300).replace(/[\ud800-\udbff]$/, "");
  }

  function view() {
    var before = counted;
    counted = page();
    if (before === counted) return;
    if (before) referrer = before;
    track("page_view", { title: title() });
  }

  // Pages that change without being loaded. A replaced address is another page where its path is.
  function follow(name) {
    var original = history[name];
    history[name] = function () {
      var answer = original.apply(this, arguments);
      try {
        if (name === "replaceState" && counted && counted.split("?")[0] === page().split("?")[0]) counted = page();
        else setTimeout(quietly(view), 50);
      } catch (refused) {}
      return answer;
    };
  }

  // ---- Forms

  function context() {
    return {
      page_url: page(),
      page_title: title(),
      referrer: referrer.slice(0, LONGEST_ADDRESS),
      landing_url: landing.url,
      landing_referrer: landing.referrer,
      language: navigator.language,
      rendered_at: shown
    };
  }

  function each(form, give) {
    if (!form.matches(FORM)) return;
    var all = context();
    all.visitor_id = isAllowed() ? visitor() : "";
    // By the same clock as rendered_at.
    all.submitted_at = new Date().toISOString();
    for (var name in all) give("_" + name, all[name] || "");
  }

  function fill(form) {
    each(form, function (name, value) {
      var input = form.querySelector('input[name="' + name + '"]');
      if (!input) {
        input = document.createElement("input");
        input.type = "hidden";
        input.name = name;
        form.appendChild(input);
      }
      input.value = value;
    });
  }

  // Forms within open shadow roots: their events end there.
  function enter(root) {
    if (!root || root.nodeType !== 11 || root.isTandemWatched) return;
    root.isTandemWatched = true;
    listen(root);
    look(root);
  }

  var watcher = window.IntersectionObserver && new IntersectionObserver(quietly(function (seen) {
    seen.forEach(function (one) {
      if (!one.isIntersecting) return;
      watcher.unobserve(one.target);
      track("form_view", { form_key: one.target.getAttribute("data-tandem-form") });
    });
  }));

  function look(root) {
    [].forEach.call(root.querySelectorAll(FORM), function (form) {
      if (form.isTandemWatched || !watcher) return;
      form.isTandemWatched = true;
      watcher.observe(form);
    });
  }

  // The inputs are for scripts that read the form when it is sent, the data for those that send it by themselves.
  function listen(root) {
    on(root, "submit", function (event) {
      fill(event.target);
    }, true);
    on(root, "formdata", function (event) {
      each(event.target, function (name, value) {
        event.formData.set(name, value);
      });
    });
    on(root === document ? window : root, "submit", function (event) {
      if (!event.defaultPrevented && event.target.matches(FORM)) leave();
    });
    on(root, "tandem:sent", sent, true);
  }

  // Whether the visitor came here by the browser's back or forward button.
  var isBack = quietly(function () {
    return performance.getEntriesByType("navigation")[0].type === "back_forward";
  });

  // ---- The way in

  var commands = {
    consent: consent,
    track: track,
    sent: sent,
    reset: reset,
    // For pages that send forms by scripts of their own: {visitor_id, context}, as captures take them.
    context: function () {
      return { visitor_id: isAllowed() ? visitor() : null, context: context() };
    }
  };

  var command = quietly(function (name) {
    if (commands.hasOwnProperty(name)) return commands[name].apply(null, [].slice.call(arguments, 1));
  });

  function begin() {
    var earlier = (window.tandem && window.tandem.q) || [];
    window.tandem = command;
    command.isHere = true;
    if (isPrivate()) forget();
    else kept = (domain && understood(cookie())) || understood(stored()) || understood(cookie()) || {};
    if (kept.sent) {
      if (isBack()) comeBack();
      else sent();
    }
    remember();
    [].forEach.call(earlier, function (one) {
      command.apply(null, one);
    });

    view();
    quietly(follow)("pushState");
    quietly(follow)("replaceState");
    on(window, "popstate", view);
    on(window, "pageshow", function (event) {
      if (!event.persisted) return;
      comeBack();
      counted = referrer = "";
      view();
    });
    on(window, "pagehide", function () {
      view();
      flush(true);
    });
    on(document, "visibilitychange", function () {
      if (document.visibilityState === "hidden") flush(true);
    });
    // Another tab's choice counts here too.
    on(window, "storage", function (event) {
      if (event.key !== NAME) return;
      kept = understood(event.newValue) || { consent: needsConsent ? undefined : false };
      if (isRefused()) waiting = [];
      later();
    });

    listen(document);
    look(document);
    quietly(function () {
      new MutationObserver(quietly(function () {
        look(document);
      })).observe(document.documentElement, { childList: true, subtree: true });
    })();
    // A visitor touches a form before sending it, and that event passes every open root.
    [].forEach.call(["focusin", "pointerdown"], function (name) {
      on(document, name, function (event) {
        event.composedPath().forEach(enter);
      }, true);
    });
    quietly(function () {
      [].forEach.call(document.querySelectorAll("*"), function (one) {
        enter(one.shadowRoot);
      });
    })();
  }

  // A page that is prepared and perhaps never shown is no visit.
  if (document.prerendering) document.addEventListener("prerenderingchange", quietly(begin), { once: true });
  else quietly(begin)();
})(window, document, navigator);
