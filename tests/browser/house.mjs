// A running service on an embedded database of its own, a website of its own, and a browser.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { chromium } from "playwright-core";

const EXAMPLES = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../../examples/site");

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export class Service {
  static async start() {
    const service = new Service();
    service.home = await mkdtemp(path.join(tmpdir(), "tandem-browser."));
    service.address = `http://127.0.0.1:${await freePort()}`;
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(TANDEM_|.*DATABASE_URL$)/.test(name)));
    service.child = spawn(process.env.TANDEM_BIN, ["serve"], {
      env: { ...env, TANDEM_DATA_DIR: service.home, TANDEM_LISTEN: service.address.slice("http://".length) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let printed = "";
    service.child.stdout.on("data", (text) => (printed += text));
    service.child.stderr.on("data", (text) => (service.log = (service.log ?? "") + text));
    try {
      // The service prints the token after it has begun to listen.
      await service.until(async () => /tdm_it_\w+\s/.test(printed) && (await fetch(`${service.address}/readyz`)).ok);
      const [token] = printed.match(/tdm_it_\w+/);
      const admin = { email: "grace@example.com", password: "a long pass phrase" };
      await service.call("POST", "/v1/setup", { token, name: "Grace", ...admin });
      service.token = (await service.call("POST", "/v1/auth/login", admin)).access_token;
      return service;
    } catch (error) {
      await service.stop(); // a child that runs on would keep the test runner from ending
      throw error;
    }
  }

  async until(isSo) {
    for (let tries = 0; tries < 1200; tries++) {
      if (await isSo().catch(() => false)) return;
      if (this.child.exitCode !== null) break;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`the service does not answer:\n${this.log}`);
  }

  async call(method, where, body) {
    const headers = { "Content-Type": "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const answer = await fetch(this.address + where, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${where}: ${answer.status} ${text}`);
    return text && JSON.parse(text);
  }

  async leadOf(email) {
    const { data } = await this.call("GET", `/v1/leads?include=touches&q=${encodeURIComponent(email)}`);
    return data.find((lead) => lead.email === email);
  }

  async stop() {
    if (this.child.exitCode === null) {
      const gone = new Promise((done) => this.child.once("exit", done));
      this.child.kill("SIGTERM");
      await gone;
    }
    await rm(this.home, { recursive: true, force: true });
  }
}

/** The service as a website reaches it, and everything that was sent there, with the status of its answer. */
export class Recorder {
  static async start(address) {
    const recorder = new Recorder();
    recorder.seen = [];
    recorder.server = http.createServer(async (request, answer) => {
      const parts = [];
      for await (const part of request) parts.push(part);
      const { method, url: path, headers } = request;
      const one = { method, path, headers, body: Buffer.concat(parts).toString() };
      recorder.seen.push(one);
      const onward = http.request(address + path, { method, headers: { ...headers, host: new URL(address).host } }, (got) => {
        one.status = got.statusCode;
        answer.writeHead(got.statusCode, got.headers);
        got.pipe(answer);
      });
      onward.on("error", () => answer.destroy());
      onward.end(Buffer.concat(parts));
    });
    await new Promise((done) => recorder.server.listen(0, "127.0.0.1", done));
    recorder.origin = `http://127.0.0.1:${recorder.server.address().port}`;
    return recorder;
  }

  async stop() {
    this.server.closeAllConnections?.();
    await new Promise((done) => this.server.close(done));
  }
}

/** A website: pages by path, on an origin that the service may know or not. */
export class Site {
  static async start() {
    const site = new Site();
    site.pages = new Map([
      ["/thanks.html", "<!DOCTYPE html><title>Thanks</title><h1>Thank you</h1>"],
      ["/favicon.ico", { body: "" }],
    ]);
    site.server = http.createServer((request, answer) => {
      const page = site.pages.get(new URL(request.url, "http://site").pathname);
      answer.writeHead(page ? 200 : 404, { "Content-Type": "text/html; charset=utf-8", ...page?.headers });
      answer.end(page?.body ?? page ?? "not here");
    });
    await new Promise((done) => site.server.listen(0, "127.0.0.1", done));
    const { port } = site.server.address();
    site.origin = `http://localhost:${port}`;
    site.stranger = `http://127.0.0.1:${port}`;
    return site;
  }

  /** A page of examples/site, as the README says: with the service's address and the form's key. */
  async show(name, service, key) {
    const page = await readFile(path.join(EXAMPLES, name), "utf8");
    this.pages.set(`/${name}`, page.replaceAll("http://127.0.0.1:8080", service.address).replaceAll("FORM_KEY", key));
  }

  async stop() {
    this.server.closeAllConnections?.();
    await new Promise((done) => this.server.close(done));
  }
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.TANDEM_BROWSER,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
}

/** For pages that were looked at some time ago. */
export function shiftClock(shift) {
  const Now = Date;
  Date = class extends Now {
    constructor(...told) {
      told.length ? super(...told) : super(Now.now() - shift);
    }
    static now() {
      return Now.now() - shift;
    }
  };
}
